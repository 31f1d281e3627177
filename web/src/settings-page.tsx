import { told } from "./api/client";
import type { Preference } from "./api/types";
import { Avatar } from "./people/avatar";
import { PushSwitch } from "./push/switch";
import { useStudio } from "./studio";
import type { Theme } from "./ui/theme";
import { useLoad } from "./ui/load";
import { Button, Field, Loading, PageTitle, Trouble } from "./ui/parts";

const KINDS: Record<Preference["kind"], string> = {
  video_ready: "A video of mine is ready",
  video_failed: "Processing of a video of mine failed",
  video_rejected: "A video of mine was rejected",
  video_published: "Somebody I follow publishes",
  webhook_disabled: "A webhook of mine was switched off",
};
const CHANNELS: Record<Preference["channel"], string> = {
  in_app: "Inbox",
  web_push: "Browser",
  mobile_push: "Phone",
};

/** What concerns the person and this device. */
export function SettingsPage() {
  const { session, push, theme, me } = useStudio();
  /** Who signs out is told no more on this device. */
  async function signOut() {
    if (push.state.value === "on") await push.switchOff().catch(() => undefined);
    session.signOut();
  }
  const person = session.person.value;
  return (
    <>
      <PageTitle>Settings</PageTitle>
      <div class="settings">
        <section class="panel" aria-labelledby="account">
          <h2 id="account">Account</h2>
          <div class="switch-row">
            <p class="person">
              <Avatar userId={me} name={person?.name ?? ""} />
              <span>
                <strong>{person?.name}</strong>
                <span class="hint"> {person?.tier}</span>
              </span>
            </p>
            <Button icon="out" onClick={signOut}>
              Sign out
            </Button>
          </div>
          <Field label="Appearance">
            {(names) => (
              <select
                {...names}
                value={theme.chosen.value}
                onChange={(event) => theme.choose(event.currentTarget.value as Theme)}
              >
                <option value="auto">As the device</option>
                <option value="light">Light</option>
                <option value="dark">Dark</option>
              </select>
            )}
          </Field>
        </section>
        <section class="panel" aria-labelledby="told">
          <h2 id="told">Notifications</h2>
          <PushSwitch />
          <Preferences />
        </section>
      </div>
    </>
  );
}

function Preferences() {
  const { api, toasts } = useStudio();
  const { value, failure, reload, set } = useLoad("preferences", (signal) =>
    told(api.GET("/v1/notifications/preferences", { signal })),
  );
  if (failure) return <Trouble error={failure} again={reload} />;
  if (!value) return <Loading what="preferences" shape="row" shapes={3} />;
  const { preferences, muted_author_ids } = value;

  async function change(changed: Preference) {
    const isIt = ({ kind, channel }: Preference) => kind === changed.kind && channel === changed.channel;
    const next = preferences.map((one) => (isIt(one) ? changed : one));
    set({ preferences: next, muted_author_ids });
    // A list that would be empty is left out.
    const body = { preferences: next, ...(muted_author_ids.length > 0 && { muted_author_ids }) };
    await told(api.PUT("/v1/notifications/preferences", { body })).then(set, (error: unknown) => {
      toasts.fail(error);
      reload();
    });
  }
  return (
    <table class="preferences">
      <caption class="hidden">What is told where</caption>
      <thead>
        <tr>
          <td />
          {Object.values(CHANNELS).map((name) => (
            <th key={name} scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {(Object.keys(KINDS) as Preference["kind"][]).map((kind) => (
          <tr key={kind}>
            <th scope="row">{KINDS[kind]}</th>
            {(Object.keys(CHANNELS) as Preference["channel"][]).map((channel) => (
              <td key={channel}>
                <input
                  type="checkbox"
                  aria-label={`${KINDS[kind]}: ${CHANNELS[channel]}`}
                  checked={preferences.find((one) => one.kind === kind && one.channel === channel)?.enabled ?? true}
                  onChange={(event) => void change({ kind, channel, enabled: event.currentTarget.checked })}
                />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
