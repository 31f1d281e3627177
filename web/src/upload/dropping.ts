import { useEffect, useState } from "preact/hooks";

/** Whether files are held over the page; `take` gets those that are dropped, wherever that is. */
export function useDropping(take: (files: FileList) => void): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const leaving = new AbortController();
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const on = (type: "dragover" | "drop" | "dragleave", act: (event: DragEvent) => void) =>
      document.addEventListener(type, act, leaving);
    on("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault(); // else the browser would leave the page for the file
      setOver(true);
    });
    on("dragleave", (event) => event.relatedTarget === null && setOver(false));
    on("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(false);
      if (event.dataTransfer) take(event.dataTransfer.files);
    });
    return () => leaving.abort();
  }, []);
  return over;
}
