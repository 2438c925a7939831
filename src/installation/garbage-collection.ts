import { setFlagsFromString } from 'node:v8';

/** How the service collects garbage; to be called before anything else of it is loaded. Measured in README.md. */
export function setGarbageCollection(): void {
  // What is young here is a few megabytes: several threads spend more time on waiting for each other than on collecting it.
  setFlagsFromString('--no-parallel-scavenge');
}
