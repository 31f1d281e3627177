import type { ComponentChildren } from "preact";
import type { Config } from "../config";
import { Empty } from "../ui/parts";

/** Whether an address asks for a category that there is, or for all of them. */
export function isCategory(category: string, { categories }: Config): boolean {
  return category === "" || categories.includes(category);
}

/** What is shown in the place of a list where the address names a category that there is not; with the way back. */
export function NoCategory({ category, children }: { category: string; children: ComponentChildren }) {
  return (
    <Empty icon="compass" title={`There is no category “${category}”`}>
      <p>The address may be mistyped, or older than the categories of today.</p>
      {children}
    </Empty>
  );
}
