"""What people see of the platform, made from what it measures: docs/metrics.md and the dashboard of the chart."""
