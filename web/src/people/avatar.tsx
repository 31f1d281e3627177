/** A circle with the first letter of a name; its colour belongs to the id. */
export function Avatar({ userId, name }: { userId: string; name: string }) {
  const hue = [...userId].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 12, 0);
  const letter = name.startsWith("User ") ? name.charAt(5) : name.charAt(0);
  return (
    <span class={`avatar avatar-${hue}`} aria-hidden="true">
      {letter.toUpperCase()}
    </span>
  );
}
