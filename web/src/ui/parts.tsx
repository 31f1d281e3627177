import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { asFailure } from "../api/failure";
import { Icon, type IconName } from "./icon";

interface ButtonProps {
  children: ComponentChildren;
  onClick?: () => unknown;
  kind?: "primary" | "plain" | "danger" | "quiet";
  icon?: IconName;
  /** What the button is called where its text alone does not tell it apart. */
  label?: string;
  submit?: boolean;
  disabled?: boolean;
  pressed?: boolean;
}

/** A button that is busy for as long as what it does has not ended. */
export function Button({ children, onClick, kind = "plain", icon, label, submit, disabled, pressed }: ButtonProps) {
  const [busy, setBusy] = useState(false);
  async function act() {
    if (busy || !onClick) return;
    setBusy(true);
    try {
      await onClick();
    } finally {
      setBusy(false);
    }
  }
  return (
    <button
      type={submit ? "submit" : "button"}
      class={`button button-${kind}`}
      aria-label={label}
      aria-busy={busy || undefined}
      aria-pressed={pressed}
      disabled={disabled}
      onClick={submit ? undefined : () => void act()}
    >
      {icon && <Icon name={icon} />}
      <span>{children}</span>
    </button>
  );
}

export function ButtonLink({
  href,
  children,
  kind = "plain",
}: {
  href: string;
  children: ComponentChildren;
  kind?: string;
}) {
  return (
    <a class={`button button-${kind}`} href={href}>
      <span>{children}</span>
    </a>
  );
}

interface FieldProps {
  label: string;
  hint?: string;
  /** A name for screen readers that tells fields of the same label apart. */
  about?: string;
  children: (names: { id: string; "aria-describedby"?: string }) => ComponentChildren;
}

export function Field({ label, hint, about, children }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>
        {label}
        {about && <span class="hidden"> of {about}</span>}
      </label>
      {children(hint ? { id, "aria-describedby": `${id}-hint` } : { id })}
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

/** What did not work, in a sentence with what to do next; with `again` also a button that does it. */
export function Trouble({ error, again }: { error: unknown; again?: () => unknown }) {
  const failure = asFailure(error);
  return (
    <div class="notice notice-bad" role="alert">
      <Icon name="alert" />
      <div>
        <p class="notice-what">{failure.message}</p>
        <p>{failure.nextAction}</p>
        {failure.traceId && <p class="hint">If it goes on, report {failure.traceId}.</p>}
        {again && (
          <Button icon="retry" onClick={again}>
            Try again
          </Button>
        )}
      </div>
    </div>
  );
}

/** What is shown where there is nothing yet, with what to do about it. */
export function Empty({ icon, title, children }: { icon: IconName; title: string; children: ComponentChildren }) {
  return (
    <div class="empty">
      <span class="empty-icon">
        <Icon name={icon} />
      </span>
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** Grey shapes in the place of what is being loaded. */
export function Loading({
  what,
  shapes = 6,
  shape = "card",
}: {
  what: string;
  shapes?: number;
  shape?: "card" | "row";
}) {
  return (
    <div class={shape === "card" ? "grid" : "rows"} role="status">
      <span class="hidden">Loading {what}</span>
      {Array.from({ length: shapes }, (_, index) => (
        <div key={index} class={`skeleton skeleton-${shape}`} />
      ))}
    </div>
  );
}

interface ConfirmProps {
  title: string;
  text: string;
  action: string;
  onConfirm: () => Promise<void>;
  onClose: () => void;
}

/** Asks before what cannot be undone. */
export function Confirm({ title, text, action, onConfirm, onClose }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby={id} onClose={onClose}>
      <h2 id={id}>{title}</h2>
      <p>{text}</p>
      <div class="actions">
        <Button onClick={() => dialog.current?.close()}>Keep</Button>
        <Button kind="danger" onClick={() => onConfirm().then(() => dialog.current?.close())}>
          {action}
        </Button>
      </div>
    </dialog>
  );
}

/** The heading of a page, which takes the focus when the page is come to, so that it is read out. */
export function PageTitle({ children, side }: { children: ComponentChildren; side?: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return (
    <header class="page-title">
      <h1 ref={heading} tabIndex={-1}>
        {children}
      </h1>
      {side}
    </header>
  );
}
