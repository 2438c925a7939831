/** All scenarios, in the order in which they are played. */
import { inboundStories } from './stories/inbound.ts';
import { outboundStories } from './stories/outbound.ts';
import { queueStories } from './stories/queue.ts';
import { transferStories } from './stories/transfer.ts';
import { houseStories } from './stories/house.ts';
import type { Story } from './story.ts';

export const stories: readonly Story[] = [
  ...inboundStories,
  ...queueStories,
  ...outboundStories,
  ...transferStories,
  ...houseStories,
];

/** @throws with the names there are when one is unknown */
export function findStories(names: readonly string[]): readonly Story[] {
  if (names.length === 0) return stories;
  return names.map((name) => {
    const found = stories.find((story) => story.name === name);
    if (found === undefined) {
      throw new Error(`no story ${name}; there are:\n${stories.map((story) => `  ${story.name}`).join('\n')}`);
    }
    return found;
  });
}
