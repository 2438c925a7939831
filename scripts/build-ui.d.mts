/** Builds the web interface into `dist/ui`. */
export function buildUi(): Promise<void>;
/** True when the built pages are older than any of their sources, or missing. */
export function isStale(): boolean;
