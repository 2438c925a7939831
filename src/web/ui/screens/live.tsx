import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import type { LiveCall, LiveChange } from '../../routes/live.ts';
import { showDuration } from '../format.ts';
import { t, tWord } from '../i18n/words.ts';
import { Badge } from '../parts/badge.tsx';
import { Client } from '../parts/client.tsx';
import { now, runClock } from '../parts/clock.ts';
import { Icon } from '../parts/icon.tsx';
import { Empty, ScreenHead } from '../parts/screen-head.tsx';
import { loadStaff, showExtension } from '../parts/staff.ts';
import type { Wire } from '../wire.ts';

type ShownCall = Wire<LiveCall>;
type Stage = 'waiting' | 'ringing' | 'talking';

function stageOf(call: ShownCall): Stage {
  const open = call.conversations.filter(({ endedAt }) => endedAt === null);
  if (open.some(({ answeredAt }) => answeredAt !== null)) return 'talking';
  return open.length > 0 ? 'ringing' : 'waiting';
}

/** Calls of now, told by the server as they change. */
export function Live() {
  const [calls] = useState(() => signal<ReadonlyMap<string, ShownCall>>(new Map()));
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
    return () => source.close();
  }, []);
  const shown = [...calls.value.values()].sort((a, b) => a.startedAt.localeCompare(b.startedAt));
  const count = (stage: Stage) => shown.filter((call) => stageOf(call) === stage).length;
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
      <div class="tiles">
        {shown.map((call) => (
          <Tile key={`${call.source}/${call.linkedId}`} call={call} />
        ))}
      </div>
    </>
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
        {open.length === 0 && <li class="quiet">{t('live.waitingAbout')}</li>}
      </ul>
    </article>
  );
}
