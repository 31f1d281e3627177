import { useStudio } from "../studio";
import { Button } from "../ui/parts";
import type { PushState } from "./push";

const TEXTS: Record<PushState, string> = {
  unknown: "Looking…",
  unsupported: "This browser knows no push messages. On an iPhone, add Studio to the home screen first.",
  refused: "The browser refuses notifications of this page. Allow them in its settings, then reload.",
  off: "Be told on this device, also while Studio is closed.",
  on: "This device is told, also while Studio is closed.",
};

export function PushSwitch() {
  const { push, toasts } = useStudio();
  const state = push.state.value;
  const isOn = state === "on";
  return (
    <div class="switch-row">
      <div>
        <p class="row-title" id="push-label">
          Push messages
        </p>
        <p class="hint" role="status">
          {TEXTS[state]}
        </p>
      </div>
      {(isOn || state === "off") && (
        <Button
          kind={isOn ? "plain" : "primary"}
          onClick={() => (isOn ? push.switchOff() : push.switchOn()).catch(toasts.fail)}
        >
          {isOn ? "Switch off" : "Switch on"}
        </Button>
      )}
    </div>
  );
}
