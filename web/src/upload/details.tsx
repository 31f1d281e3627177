import { characters, capital } from "../format";
import { useStudio } from "../studio";
import { Field } from "../ui/parts";
import type { Visibility } from "../api/types";

export const TITLE_CHARACTERS = 80;
export const DESCRIPTION_CHARACTERS = 2000;

export const VISIBILITIES: Record<Visibility, string> = {
  public: "Public – everybody",
  unlisted: "Unlisted – by link",
  private: "Private – only you",
};

export interface Words {
  title: string;
  description: string;
  category: string;
  visibility: Visibility;
}

/** What is wrong with a title or a description; empty where nothing is. */
export function wrongWith({ title, description }: Pick<Words, "title" | "description">): string {
  const letters = characters(title);
  if (letters === 0) return "A clip needs a title.";
  if (letters > TITLE_CHARACTERS) return `The title has ${letters} characters; at most ${TITLE_CHARACTERS}.`;
  const more = characters(description);
  if (more > DESCRIPTION_CHARACTERS)
    return `The description has ${more} characters; at most ${DESCRIPTION_CHARACTERS}.`;
  return "";
}

interface WordsFormProps {
  words: Words;
  change: (changed: Partial<Words>) => void;
  /** Which clip, for screen readers, where there are several. */
  about?: string;
}

/** The fields of what an owner says of a video. */
export function WordsForm({ words, change, about }: WordsFormProps) {
  const { config } = useStudio();
  const named = about === undefined ? {} : { about };
  const left = TITLE_CHARACTERS - characters(words.title);
  return (
    <>
      <Field
        label="Title"
        {...named}
        {...(left <= 20 && { hint: left >= 0 ? `${left} characters left` : `${-left} too many` })}
      >
        {(names) => (
          <input
            {...names}
            type="text"
            required
            autoComplete="off"
            aria-invalid={left < 0 || left === TITLE_CHARACTERS}
            value={words.title}
            onInput={(event) => change({ title: event.currentTarget.value })}
          />
        )}
      </Field>
      <Field label="Description" {...named}>
        {(names) => (
          <textarea
            {...names}
            rows={1}
            value={words.description}
            onInput={(event) => change({ description: event.currentTarget.value })}
          />
        )}
      </Field>
      <div class="fields">
        <Field label="Category" {...named}>
          {(names) => (
            <select
              {...names}
              value={words.category}
              onChange={(event) => change({ category: event.currentTarget.value })}
            >
              {config.categories.map((one) => (
                <option key={one} value={one}>
                  {capital(one)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <VisibilityField visibility={words.visibility} change={(visibility) => change({ visibility })} {...named} />
      </div>
    </>
  );
}

interface VisibilityFieldProps {
  visibility: Visibility;
  change: (visibility: Visibility) => void;
  about?: string;
}

export function VisibilityField({ visibility, change, about }: VisibilityFieldProps) {
  return (
    <Field label="Visibility" {...(about !== undefined && { about })}>
      {(names) => (
        <select {...names} value={visibility} onChange={(event) => change(event.currentTarget.value as Visibility)}>
          {Object.entries(VISIBILITIES).map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
