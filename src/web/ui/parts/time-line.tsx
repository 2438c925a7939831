import type { Call, Conversation } from '../../../core/call.ts';
import { showExactTime } from '../format.ts';
import { t } from '../i18n/words.ts';
import type { Wire } from '../wire.ts';

/** When it rang and when people talked, drawn over the whole call, so that several conversations line up. */
export function TimeLine({
  call,
  conversation,
}: {
  readonly call: Wire<Omit<Call, 'conversations'>>;
  readonly conversation: Wire<Conversation>;
}) {
  const from = Date.parse(call.startedAt);
  const now = Date.now();
  const to = Math.max(from + 1_000, call.endedAt === null ? now : Date.parse(call.endedAt));
  const place = (at: number) => Math.min(100, Math.max(0, ((at - from) / (to - from)) * 100));
  const ringFrom = Date.parse(conversation.requestedAt);
  const answered = conversation.answeredAt === null ? null : Date.parse(conversation.answeredAt);
  const end = conversation.endedAt === null ? now : Date.parse(conversation.endedAt);
  const ringTo = answered ?? end;
  const words = [
    `${showExactTime(ringFrom)} ${t('line.rings')}`,
    ...(answered === null ? [] : [`${showExactTime(answered)} ${t('line.talks')}`]),
    ...(conversation.endedAt === null ? [] : [`${showExactTime(end)} ${t('line.ends')}`]),
  ];
  return (
    <div class="timeline">
      <svg viewBox="0 0 100 14" preserveAspectRatio="none" role="img" aria-label={words.join(', ')}>
        <rect
          class="ring"
          x={place(ringFrom)}
          y="0"
          width={Math.max(0.6, place(ringTo) - place(ringFrom))}
          height="14"
        />
        {answered !== null && (
          <rect
            class="talk"
            x={place(answered)}
            y="0"
            width={Math.max(0.6, place(end) - place(answered))}
            height="14"
          />
        )}
      </svg>
      <div class="legend" aria-hidden="true">
        <span>
          <i class="dot ring" />
          {words[0]}
        </span>
        {answered !== null && (
          <span>
            <i class="dot talk" />
            {words[1]}
          </span>
        )}
        {conversation.endedAt !== null && <span>{words.at(-1)}</span>}
      </div>
    </div>
  );
}
