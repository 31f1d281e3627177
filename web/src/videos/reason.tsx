import type { Reason } from "../api/types";
import { Icon } from "../ui/icon";

/** Why a video did not become READY, in the platform's own words. */
export function ReasonNotice({ reason }: { reason: Reason }) {
  return (
    <div class="notice notice-bad" role="alert">
      <Icon name="alert" />
      <div>
        <p class="notice-what">{reason.message}</p>
        <p>{reason.next_action}</p>
      </div>
    </div>
  );
}
