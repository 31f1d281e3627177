import { useEffect } from "preact/hooks";
import { useStudio } from "../studio";
import { Button, PageTitle } from "../ui/parts";
import { DropZone } from "./drop-zone";
import { wrongWith } from "./details";
import { TransferCard } from "./transfer-card";
import { UnfinishedList } from "./unfinished-list";

/** Where clips are chosen, described and sent. */
export function UploadPage() {
  const { uploads } = useStudio();
  const transfers = uploads.transfers.value;
  const ready = transfers.filter((one) => one.phase === "draft" && !wrongWith(one));
  useEffect(() => void uploads.unfinished.load(), []);
  return (
    <>
      <PageTitle>Upload</PageTitle>
      <DropZone small={transfers.length + uploads.unfinished.list.value.length > 0} />
      <UnfinishedList />
      {ready.length > 1 && (
        <div class="bulk">
          <Button kind="primary" icon="upload" onClick={() => ready.forEach(({ id }) => uploads.start(id))}>
            {`Upload all ${ready.length}`}
          </Button>
        </div>
      )}
      {transfers.length > 0 && (
        <section aria-label="Chosen clips" class="stack">
          {transfers.map((transfer) => (
            <TransferCard key={transfer.id} transfer={transfer} />
          ))}
        </section>
      )}
    </>
  );
}
