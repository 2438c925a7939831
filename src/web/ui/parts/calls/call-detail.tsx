import { useState } from 'preact/hooks';
import type { Conversation } from '../../../../core/call.ts';
import type { DeliveryAttempt } from '../../../../core/ledger-queries.ts';
import type { PbxEvent } from '../../../../core/pbx-event.ts';
import type { Delivery } from '../../../../core/ports.ts';
import type { ShownCall } from '../../../routes/calls.ts';
import { ask } from '../../api.ts';
import { showDuration, showExactTime, showMoment } from '../../format.ts';
import { say, t, tCount, tWord } from '../../i18n/words.ts';
import { addressOf } from '../../router.ts';
import { isAdmin } from '../../session.ts';
import type { Wire } from '../../wire.ts';
import { Badge } from '../badge.tsx';
import { CloseDelivery } from '../deliveries/close-delivery.tsx';
import { DryRun } from './dry-run.tsx';
import { HookRuns, useHookRuns } from '../hooks/hook-runs.tsx';
import { Await, useLoaded } from '../loading.tsx';
import { tell, tellFault } from '../notices.tsx';
import { Recordings } from './recordings.tsx';
import { showExtension } from '../people/staff.ts';
import { TimeLine } from './time-line.tsx';

type ShownDelivery = Wire<Omit<Delivery, 'fence'>>;

/** Everything known of one call: its conversations, what each CRM was told, the PBX's events. */
export function CallDetail({ source, linkedId }: { readonly source: string; readonly linkedId: string }) {
  const path = `calls/${encodeURIComponent(source)}/${encodeURIComponent(linkedId)}`;
  const loaded = useLoaded(path, (signal) => ask<ShownCall>(path, { signal }));
  const runs = useHookRuns(path);
  return (
    <Await loaded={loaded}>
      {(call) => (
        <>
          <p class="small quiet head">
            {[
              showMoment(call.startedAt),
              call.did && t('call.did', { did: call.did }),
              call.trunk && t('call.trunk', { trunk: call.trunk }),
              call.queue && t('call.queue', { queue: call.queue.name }),
              call.source,
              call.linkedId,
            ]
              .filter(Boolean)
              .join(' · ')}{' '}
            <a
              href={addressOf('calls', {
                call: `${source}/${linkedId}`,
                number: call.client?.replace(/\D/g, '') ?? null,
              })}
            >
              {t('call.sameClient')}
            </a>
          </p>
          {call.conversations.length === 0 && <p class="quiet">{t('call.noConversations')}</p>}
          {call.conversations.map((conversation) => (
            <section class="conversation" key={conversation.uniqueId}>
              <Head conversation={conversation} />
              <TimeLine call={call} conversation={conversation} />
              {isAdmin() && (
                <Deliveries deliveries={conversation.deliveries} conversation={conversation} reload={loaded.reload} />
              )}
              <HookRuns loaded={runs} of={({ uniqueId }) => uniqueId === conversation.uniqueId} />
            </section>
          ))}
          <HookRuns loaded={runs} of={(run) => !call.conversations.some(({ uniqueId }) => uniqueId === run.uniqueId)} />
          <Recordings path={path} call={`${source}/${linkedId}`} />
          {isAdmin() && <DryRun path={path} />}
          {isAdmin() && <Events path={path} />}
        </>
      )}
    </Await>
  );
}

function Head({ conversation }: { readonly conversation: Wire<Conversation> }) {
  return (
    <header>
      <strong>{showExtension(conversation.extension)}</strong>
      <Badge kind="result" word={conversation.result} />
      <span class="quiet small">
        {[
          t('conversation.waited', { time: showDuration(conversation.waiting) }),
          conversation.answeredAt && t('conversation.talked', { time: showDuration(conversation.duration) }),
          conversation.forwardedTo && t('conversation.forwarded', { number: conversation.forwardedTo }),
        ]
          .filter(Boolean)
          .join(' · ')}
      </span>
    </header>
  );
}

/** Why a conversation is sent to no CRM, in words. */
function explainReason(reason: string | null): string {
  if (reason === null) return t('reason.none');
  if (reason.startsWith('rule:')) return t('reason.rule', { rule: reason.slice(5) });
  return tWord('reason', reason);
}

function Deliveries(props: {
  readonly deliveries: readonly ShownDelivery[];
  readonly conversation: Wire<Conversation>;
  readonly reload: () => void;
}) {
  const { deliveries, conversation, reload } = props;
  return (
    <div class="deliveries">
      {deliveries.map((delivery) => (
        <OneDelivery key={delivery.id} delivery={delivery} reload={reload} />
      ))}
      {deliveries.length === 0 && (
        <p class="delivery quiet">
          {conversation.registered ? t('delivery.notYet') : explainReason(conversation.reason)}
        </p>
      )}
    </div>
  );
}

function OneDelivery({ delivery, reload }: { readonly delivery: ShownDelivery; readonly reload: () => void }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <div class="delivery">
      <strong>{delivery.crm}</strong>
      <Badge kind="state" word={delivery.state} />
      <span class="words small">
        {delivery.deliveredAt !== null && showMoment(delivery.deliveredAt)}{' '}
        {delivery.crmId !== null && <span class="quiet">{t('delivery.record', { id: delivery.crmId })}</span>}{' '}
        {say(delivery.lastError ?? '')}
      </span>
      <button class="plain" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {tCount('delivery.attempts', delivery.attempts)}
      </button>
      <SendAgain delivery={delivery} onSent={reload} />
      <CloseDelivery delivery={delivery} onClosed={reload} />
      {isOpen && (
        <div class="more">
          <Attempts id={delivery.id} progress={delivery.progress} />
        </div>
      )}
    </div>
  );
}

/** Puts a delivery back into the queue; one that waits already needs nothing. */
export function SendAgain({
  delivery,
  onSent,
}: {
  readonly delivery: Pick<ShownDelivery, 'id' | 'state'>;
  readonly onSent: () => void;
}) {
  if (delivery.state === 'pending' || delivery.state === 'leased') return null;
  const send = async () => {
    try {
      await ask(`deliveries/${encodeURIComponent(delivery.id)}/resend`, { method: 'POST' });
      tell(t('delivery.queued'));
      onSent();
    } catch (error) {
      tellFault(error);
    }
  };
  return <button onClick={() => void send()}>{t('action.sendAgain')}</button>;
}

function Attempts({ id, progress }: { readonly id: string; readonly progress: Readonly<Record<string, string>> }) {
  const loaded = useLoaded(id, (signal) =>
    ask<{ history: readonly DeliveryAttempt[] }>(`deliveries/${encodeURIComponent(id)}`, { signal }),
  );
  const made = Object.entries(progress);
  return (
    <Await loaded={loaded}>
      {({ history }) => (
        <ol class="attempts">
          {history.map(({ at, result, reason, node }) => (
            <li key={at + result}>
              {showMoment(at)} {tWord('attempt', result)}
              {reason !== null && `: ${reason}`} {node !== null && `(${node})`}
            </li>
          ))}
          {history.length === 0 && <li>{t('delivery.noAttempts')}</li>}
          {made.length > 0 && (
            <li>{t('delivery.made', { what: made.map(([step, made]) => `${step} ${made}`).join(', ') })}</li>
          )}
        </ol>
      )}
    </Await>
  );
}

function Events({ path }: { readonly path: string }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t('call.events')}</summary>
      {isOpen && <EventTable path={path} />}
    </details>
  );
}

function EventTable({ path }: { readonly path: string }) {
  const loaded = useLoaded(path, (signal) => ask<{ items: readonly PbxEvent[] }>(`${path}/events`, { signal }));
  return (
    <Await loaded={loaded}>
      {({ items }) => (
        <div class="events sheet" tabIndex={0} role="region" aria-label={t('call.events')}>
          <table>
            <thead>
              <tr>
                <th>{t('column.time')}</th>
                <th>{t('column.from')}</th>
                <th>{t('column.event')}</th>
                <th>{t('column.channel')}</th>
                <th>{t('column.details')}</th>
              </tr>
            </thead>
            <tbody>
              {items.map((event, index) => {
                const {
                  type,
                  source: _source,
                  origin,
                  at,
                  linkedId: _linkedId,
                  uniqueId: _uniqueId,
                  channel,
                  ...rest
                } = event;
                const details = Object.entries(rest).filter(([, value]) => value !== null && value !== '');
                return (
                  <tr key={index}>
                    <td class="number">{showExactTime(at)}</td>
                    <td>{origin}</td>
                    <td>{type}</td>
                    <td>
                      <code>{channel}</code>
                    </td>
                    <td>
                      <code>{details.map(([name, value]) => `${name}=${String(value)}`).join(' ')}</code>
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
    </Await>
  );
}
