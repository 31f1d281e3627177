import { useState } from "preact/hooks";
import type { Config } from "../config";
import { Avatar } from "../people/avatar";
import type { Session } from "../session";
import { Logo } from "../ui/icon";
import { Button, Field, Trouble } from "../ui/parts";

const TIERS = ["free", "verified", "paid"];

/** Where nobody is signed in: the users of the local issuer, or word that the hosting app has to bring a token. */
export function SignInPage({ config, session }: { config: Config; session: Session }) {
  return (
    <main class="sign-in" id="main">
      <Logo />
      <h1>Sign in to Studio</h1>
      {session.ended.value && <p class="notice">{session.ended.value}</p>}
      {config.local_issuer ? <LocalUsers users={config.local_issuer.users} session={session} /> : <Hosted />}
    </main>
  );
}

function Hosted() {
  return (
    <p role="status">
      Studio is opened from the app that it belongs to. If this page stays, go back there and open Studio again.
    </p>
  );
}

function LocalUsers({ users, session }: { users: { name: string; user_id: string }[]; session: Session }) {
  const [name, setName] = useState("");
  const [tier, setTier] = useState("free");
  const [failure, setFailure] = useState<unknown>(null);
  const enter = (user: string) => session.signInLocally(user, tier).catch(setFailure);
  return (
    <>
      <p>This is a platform on your own machine: be whom you like.</p>
      {failure !== null && <Trouble error={failure} />}
      <ul class="people" aria-label="Users">
        {users.map((user) => (
          <li key={user.user_id}>
            <button type="button" class="person-button" onClick={() => void enter(user.name)}>
              <Avatar userId={user.user_id} name={user.name} />
              <span>
                <span class="hidden">Continue as </span>
                {user.name}
              </span>
            </button>
          </li>
        ))}
      </ul>
      <form
        class="form sign-in-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim()) void enter(name.trim());
        }}
      >
        <div class="fields">
          <Field label="Another name">
            {(names) => (
              <input
                {...names}
                type="text"
                autoComplete="off"
                value={name}
                onInput={(event) => setName(event.currentTarget.value)}
              />
            )}
          </Field>
          <Field label="Tier">
            {(names) => (
              <select {...names} value={tier} onChange={(event) => setTier(event.currentTarget.value)}>
                {TIERS.map((one) => (
                  <option key={one} value={one}>
                    {one}
                  </option>
                ))}
              </select>
            )}
          </Field>
        </div>
        <Button kind="primary" submit disabled={!name.trim()}>
          Sign in
        </Button>
      </form>
    </>
  );
}
