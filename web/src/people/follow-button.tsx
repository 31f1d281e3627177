import { useStudio } from "../studio";
import { Button } from "../ui/parts";

export function FollowButton({ userId }: { userId: string }) {
  const { me, follows, session, toasts } = useStudio();
  const followed = follows.followed.value;
  if (userId === me || !followed) return null;
  const name = session.nameOf(userId);
  const isFollowed = followed.has(userId);
  const change = () => follows.set(userId, !isFollowed).catch(toasts.fail);
  return (
    <Button
      kind={isFollowed ? "plain" : "primary"}
      label={isFollowed ? `Following ${name}, unfollow` : `Follow ${name}`}
      onClick={change}
    >
      {isFollowed ? "Following" : "Follow"}
    </Button>
  );
}
