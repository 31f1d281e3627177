"""Push messages from the switch in Studio to what the browser shows.

Chromium subscribes at a service of its maker, which no test reaches; a push service of the test stands in its place,
and what that gets is handed to Chromium decrypted, for the page's worker.
"""

import asyncio
import json
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, expect
from push_receivers import Browser as Subscriber
from push_servers import Reply, http1_server
from scratch import until

from deploy.local.stack import Stack
from tests.browser.studio import WAIT_MS, somebody, studio_of

SUBSCRIBE = """(subscription) => {
    PushManager.prototype.subscribe = async ({ applicationServerKey }) => {
        if (!applicationServerKey) throw new DOMException("no key", "InvalidAccessError");
        return { toJSON: () => subscription };
    };
}"""
SHOWN = """async () => {
    const worker = await navigator.serviceWorker.ready;
    const shown = await worker.getNotifications();
    return shown.length > 0 && shown.map(({ title, body, tag }) => ({ title, body, tag }));
}"""


async def test_who_switches_push_messages_on_is_told_by_the_browser(
    browser: Browser, platform: Stack, clip: Path
) -> None:
    subscriber = Subscriber()
    async with (
        http1_server(lambda seen: Reply(201)) as service,
        studio_of(browser, platform, somebody("alice")) as studio,
    ):
        page = studio.page
        await page.context.grant_permissions(["notifications"], origin=platform.gateway)
        keys = {"p256dh": subscriber.keys.p256dh, "auth": subscriber.keys.auth}
        await page.evaluate(SUBSCRIBE, {"endpoint": f"http://127.0.0.1:{service.port}/send/to-alice", "keys": keys})
        await studio.go("settings", "Settings")
        await page.get_by_role("button", name="Switch on").click()
        await expect(page.get_by_role("button", name="Switch off")).to_be_visible()

        await studio.go("upload", "Upload")
        card = await studio.choose(clip)
        await studio.send(card, "Told by the browser")
        await studio.stands(card, "Told by the browser", "Ready")

        async def has_come() -> bool:
            return len(service.seen) == 1

        await until(has_come, seconds=WAIT_MS / 1000)
        message = subscriber.decrypt(service.seen[0].body)
        await hand_over(page, json.dumps(message))
        [shown] = await (await page.wait_for_function(SHOWN)).json_value()
        assert (shown["title"], shown["body"]) == ("Video ready!", message["body"])
        assert shown["tag"] == message["notification_id"]

        await studio.go("settings", "Settings")
        await page.get_by_role("button", name="Switch off").click()
        await expect(page.get_by_role("button", name="Switch on")).to_be_visible()


async def hand_over(page: Page, message: str) -> None:
    """Have Chromium give the page's worker a push message."""
    session = await page.context.new_cdp_session(page)
    registered = asyncio.get_running_loop().create_future()

    def note(update: dict[str, list[dict[str, str]]]) -> None:
        for registration in update["registrations"]:
            if not registered.done():
                registered.set_result(registration["registrationId"])

    session.on("ServiceWorker.workerRegistrationUpdated", note)
    await session.send("ServiceWorker.enable")
    async with asyncio.timeout(WAIT_MS / 1000):
        registration_id = await registered
    origin = "{0.scheme}://{0.netloc}/".format(urlsplit(page.url))
    push = {"origin": origin, "registrationId": registration_id, "data": message}
    await session.send("ServiceWorker.deliverPushMessage", push)
