"""What media does, one plain function per use case: jobs are asked for, runs carry them out, outputs are removed."""
