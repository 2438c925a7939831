/** Answers later, whatever is asked. */
type Later<Door> = { [Name in keyof Door]: (...given: never[]) => Promise<unknown> };

/**
 * A door to what is loaded and built when somebody first comes. Most of the interface is used by a person now and then,
 * and a service at rest does not hold it in memory.
 */
export function onFirstUse<Door extends Later<Door>>(build: () => Promise<Door>): Door {
  const open = once(build);
  return new Proxy({} as Door, {
    get:
      (_nothing, name) =>
      async (...given: never[]) => {
        const door = await open();
        return door[name as keyof Door](...given);
      },
  });
}

/** The same for all who ask. What could not be built is tried again by the next. */
export function once<Built>(build: () => Promise<Built>): () => Promise<Built> {
  let built: Promise<Built> | null = null;
  return () =>
    (built ??= build().catch((error: unknown) => {
      built = null;
      throw error;
    }));
}
