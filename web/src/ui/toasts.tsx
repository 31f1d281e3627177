import { signal } from "@preact/signals";
import { asFailure } from "../api/failure";
import { Icon } from "./icon";

interface Toast {
  id: number;
  text: string;
  bad: boolean;
}

const SHOWN_MS = 6000;

/** Short messages at the edge of the page, spoken by screen readers. */
export function openToasts() {
  const shown = signal<readonly Toast[]>([]);
  let last = 0;
  function show(text: string, bad: boolean) {
    const toast = { id: ++last, text, bad };
    shown.value = [...shown.value, toast].slice(-3);
    setTimeout(() => dismiss(toast.id), bad ? SHOWN_MS * 2 : SHOWN_MS);
  }
  function dismiss(id: number) {
    shown.value = shown.value.filter((toast) => toast.id !== id);
  }
  return {
    shown,
    dismiss,
    say: (text: string) => show(text, false),
    warn: (text: string) => show(text, true),
    fail(error: unknown) {
      const failure = asFailure(error);
      show(`${failure.message} ${failure.nextAction}`, true);
    },
  };
}

export type Toasts = ReturnType<typeof openToasts>;

export function ToastList({ toasts }: { toasts: Toasts }) {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.shown.value.map(({ id, text, bad }) => (
        <p key={id} class={bad ? "toast toast-bad" : "toast"}>
          <Icon name={bad ? "alert" : "check"} />
          <span>{text}</span>
          <button type="button" class="icon-button" aria-label="Dismiss" onClick={() => toasts.dismiss(id)}>
            <Icon name="close" />
          </button>
        </p>
      ))}
    </div>
  );
}
