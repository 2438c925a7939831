import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import type { LiveCall, LiveChange, LiveDelivery } from '../../routes/live.ts';
import { showDuration, showMoment } from '../format.ts';
import { say, t, tWord } from '../i18n/words.ts';
import { Badge } from '../parts/badge.tsx';
import { Client } from '../parts/calls/client.tsx';
import { now, runClock } from '../parts/clock.ts';
import { Icon } from '../parts/icon.tsx';
import { Empty, ScreenHead } from '../parts/screen-head.tsx';
import { loadStaff, showExtension } from '../parts/people/staff.ts';
import { addressOf } from '../router.ts';
import { isAdmin } from '../session.ts';
import type { Wire } from '../wire.ts';

type ShownCall = Wire<LiveCall>;
type ShownDelivery = Wire<LiveDelivery>;
type Stage = 'waiting' | 'ringing' | 'talking';

function stageOf(call: ShownCall): Stage {
  const open = call.conversations.filter(({ endedAt }) => endedAt === null);
  if (open.some(({ answeredAt }) => answeredAt !== null)) return 'talking';
  return open.length > 0 ? 'ringing' : 'waiting';
}

/** Calls of now, told by the server as they change. */
export function Live() {
  const [calls] = useState(() => signal<ReadonlyMap<string, ShownCall>>(new Map()));
  const [deliveries] = useState(() => signal<readonly ShownDelivery[] | null>(null));
  const [connection, setConnection] = useState<'opening' | 'open' | 'lost'>('opening');
  useEffect(loadStaff, []);
  useEffect(runClock, []);
  useEffect(() => {
    const source = new EventSource('/api/v1/live');
    let isFirst = true;
    source.onopen = () => {
      isFirst = true;
      setConnection('open');
    };
    source.onerror = () => setConnection('lost');
    source.addEventListener('calls', (event) => {
      const change = JSON.parse((event as MessageEvent<string>).data) as Wire<LiveChange>;
      // The first message after each connection holds everything.
      const next = new Map(isFirst ? [] : calls.value);
      isFirst = false;
      for (const call of change.changed) next.set(`${call.source}/${call.linkedId}`, call);
      for (const key of change.gone) next.delete(key);
      calls.value = next;
    });
    source.addEventListener('deliveries', (event) => {
      const told = JSON.parse((event as MessageEvent<string>).data) as { items: readonly ShownDelivery[] };
      deliveries.value = told.items;
    });
    return () => source.close();
  }, []);
  const shown = [...calls.value.values()].sort((a, b) => a.startedAt.localeCompare(b.startedAt));
  // Who stands in a queue waits, also while employees' phones ring for him.
  const isWaiting = (call: ShownCall) => stageOf(call) === 'waiting' || call.queuePlace !== null;
  const count = (stage: Stage) =>
    shown.filter((call) => (stage === 'waiting' ? isWaiting(call) : stageOf(call) === stage)).length;
  return (
    <>
      <ScreenHead title={t('screen.live')}>
        {connection === 'lost' && <span class="badge bad">{t('live.lost')}</span>}
      </ScreenHead>
      <div class="sums">
        {(['talking', 'ringing', 'waiting'] as const).map((stage) => (
          <div class="sum" key={stage}>
            <b>{count(stage)}</b>
            <span>{t(`live.${stage}`)}</span>
          </div>
        ))}
      </div>
      {connection !== 'opening' && shown.length === 0 && (
        <div class="sheet">
          <Empty>{t('live.none')}</Empty>
        </div>
      )}
      {connection === 'opening' && <p class="quiet">{t('state.loading')}</p>}
      <div class="tiles">
        {shown.map((call) => (
          <Tile key={`${call.source}/${call.linkedId}`} call={call} />
        ))}
      </div>
      <Queues calls={shown} />
      {isAdmin() && deliveries.value !== null && <LastDeliveries items={deliveries.value} />}
    </>
  );
}

/** Who waits in which queue, who came first on top. */
function Queues({ calls }: { readonly calls: readonly ShownCall[] }) {
  const waiting = calls
    .flatMap((call) => (call.queue !== null && call.queuePlace !== null ? [{ call, queue: call.queue }] : []))
    .sort((a, b) => a.queue.name.localeCompare(b.queue.name) || a.queue.joinedAt.localeCompare(b.queue.joinedAt));
  if (waiting.length === 0) return null;
  return (
    <section class="sheet spaced" aria-label={t('live.queues')}>
      <h2>{t('live.queues')}</h2>
      <table class="cards">
        <thead>
          <tr>
            <th>{t('filter.queue')}</th>
            <th>{t('live.place')}</th>
            <th>{t('column.client')}</th>
            <th class="right">{t('column.waiting')}</th>
            <th>{t('column.responsible')}</th>
          </tr>
        </thead>
        <tbody>
          {waiting.map(({ call, queue }) => (
            <tr class="line" key={`${call.source}/${call.linkedId}`}>
              <td>{queue.name}</td>
              <td class="number end">{t('live.placeOf', { place: call.queuePlace! })}</td>
              <td>
                <Client number={call.client} callerName={call.clientName} contact={call.contact} />
              </td>
              <td class="right number end">{since(queue.joinedAt)}</td>
              <td>{call.contact?.responsible}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** What became of the last conversations in the CRMs. */
function LastDeliveries({ items }: { readonly items: readonly ShownDelivery[] }) {
  return (
    <section class="sheet spaced" aria-label={t('live.deliveries')}>
      <h2>{t('live.deliveries')}</h2>
      {items.length === 0 ? (
        <Empty>{t('live.noDeliveries')}</Empty>
      ) : (
        <table class="cards last-deliveries">
          <thead>
            <tr>
              <th>{t('column.time')}</th>
              <th>{t('column.client')}</th>
              <th>{t('filter.crm')}</th>
              <th>{t('filter.state')}</th>
              <th>{t('column.reason')}</th>
            </tr>
          </thead>
          <tbody>
            {items.map((item) => (
              <tr class="line" key={item.id}>
                <td class="number">
                  <a href={addressOf('calls', { call: `${item.source}/${item.linkedId}` })}>
                    {showMoment(item.createdAt)}
                  </a>
                </td>
                <td>
                  <Client number={item.client} callerName={item.clientName} contact={item.contact} />
                </td>
                <td>
                  {item.crm}
                  {item.kind === 'recording' && <span class="quiet"> · {t('recording.title')}</span>}
                </td>
                <td class="end">
                  <Badge kind="state" word={item.state} />
                </td>
                <td class="reason wide">{say(item.lastError ?? '')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

const since = (moment: string) => showDuration((now.value - Date.parse(moment)) / 1_000);
const wayIcons = { inbound: 'in', outbound: 'out', internal: 'inner' } as const;

function Tile({ call }: { readonly call: ShownCall }) {
  const stage = stageOf(call);
  const open = call.conversations.filter(({ endedAt }) => endedAt === null);
  return (
    <article class={`tile ${stage}`}>
      <div class="top">
        <Client number={call.client} callerName={call.clientName} contact={call.contact} />
        <span class="figure" title={t('live.sinceStart')}>
          {since(call.startedAt)}
        </span>
      </div>
      <p class="small quiet way">
        <Icon name={wayIcons[call.direction]} />
        {[tWord('direction', call.direction), call.did].filter(Boolean).join(' · ')}
      </p>
      {call.contact?.responsible && (
        <p class="small">
          <span class="quiet">{t('column.responsible')}:</span> {call.contact.responsible}
        </p>
      )}
      <ul>
        {open.map((conversation) => (
          <li key={conversation.uniqueId}>
            <span>{showExtension(conversation.extension)}</span>
            <span class="row">
              <Badge kind="live" word={conversation.answeredAt === null ? 'ringing' : 'talking'} />
              <span class="figure small">{since(conversation.answeredAt ?? conversation.requestedAt)}</span>
            </span>
          </li>
        ))}
        {call.queuePlace !== null && call.queue !== null && (
          <li>
            <span>{t('live.inQueue', { queue: call.queue.name, place: call.queuePlace })}</span>
            <span class="figure small">{since(call.queue.joinedAt)}</span>
          </li>
        )}
        {open.length === 0 && call.queuePlace === null && <li class="quiet">{t('live.waitingAbout')}</li>}
      </ul>
    </article>
  );
}
