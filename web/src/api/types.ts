import type { components } from "./schema";

type Schemas = components["schemas"];

export type Video = Schemas["GetVideoResponse"];
export type VideoSummary = Schemas["VideoSummary"];
export type VideoStatus = Schemas["GetVideoStatusResponse"];
export type Status = VideoStatus["status"];
export type Action = VideoStatus["allowed_actions"][number];
export type Visibility = VideoSummary["visibility"];
export type Reason = Schemas["Reason"];
export type TimelineEntry = Schemas["TimelineEntry"];
export type Upload = Schemas["GetUploadResponse"];
export type UploadSummary = Schemas["UploadSummary"];
export type Notification = Schemas["Notification"];
export type NotificationEvent = Schemas["WatchNotificationsResponse"];
export type Preference = Schemas["Preference"];
