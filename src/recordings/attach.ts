import type { DeliveryHandler } from '../core/delivery/crm-loop.ts';
import { Retryable } from '../core/errors.ts';
import type { Clock, CrmAdapter, LedgerReader } from '../core/ports.ts';
import type { RecordingLinks } from './links.ts';
import { notRegistered, type RecordingStore } from './store.ts';

interface AttachParts {
  readonly crm: Pick<CrmAdapter, 'name' | 'attachRecording'>;
  readonly store: RecordingStore;
  readonly links: RecordingLinks;
  readonly clock: Clock;
}

const isAudible = (state: string) => state === 'ready' || state === 'original';

/**
 * Gives a CRM the link of a conversation that it has. A delivery of its own, made when the recording is whole: the
 * conversation never waits for it, and each attempt attaches under the same key.
 */
export function createRecordingHandler({ crm, store, links, clock }: AttachParts): DeliveryHandler {
  return async ({ source, uniqueId }) => {
    if (crm.attachRecording === undefined) return { skip: `${crm.name} takes no recordings afterwards` };
    const registration = await store.registrationOf(crm.name, source, uniqueId);
    if (registration?.state === 'pending' || registration?.state === 'leased')
      throw new Retryable('the conversation is not in the CRM yet');
    if (registration?.state !== 'delivered' || registration.crmId === null) return { skip: notRegistered };
    const recording = (await store.ofConversation(source, uniqueId)).find(({ state }) => isAudible(state));
    if (recording === undefined) return { skip: 'the recording was removed' };
    await crm.attachRecording(
      registration.crmId,
      links.linkOf(recording, clock.now()),
      `recording:${source}:${uniqueId}`,
    );
    return { crmId: registration.crmId };
  };
}

/**
 * The ledger as one CRM is told it: never with a path of this machine. A CRM that takes links afterwards gets none with
 * the registration; any other gets it at once, also while the recording is still in the making.
 */
export function withRecordingLinks(ledger: LedgerReader, { crm, store, links, clock }: AttachParts): LedgerReader {
  return {
    async conversation(source, uniqueId) {
      const found = await ledger.conversation(source, uniqueId);
      if (found === null) return null;
      const isLater = crm.attachRecording !== undefined;
      const recordings = isLater ? [] : await store.ofConversation(source, uniqueId);
      const first =
        recordings.find(({ state }) => isAudible(state)) ?? recordings.find(({ state }) => state === 'waiting');
      const link = first === undefined ? null : links.linkOf(first, clock.now());
      return { ...found, conversation: { ...found.conversation, recording: link } };
    },
  };
}
