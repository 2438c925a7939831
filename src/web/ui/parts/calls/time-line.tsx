import type { Call } from '../../../../core/call.ts';
import type { ShownCall } from '../../../routes/calls.ts';
import { showDuration, showExactTime } from '../../format.ts';
import { t } from '../../i18n/words.ts';
import type { Wire } from '../../wire.ts';

type ShownConversation = Wire<ShownCall['conversations'][number]>;
interface Span {
  readonly kind: 'ring' | 'talk' | 'hold';
  readonly from: string;
  readonly to: string | null;
}

/** What is known of a call whose events tell nothing more. */
function plainSpans({ requestedAt, answeredAt, endedAt }: ShownConversation): readonly Span[] {
  const ring: Span = { kind: 'ring', from: requestedAt, to: answeredAt ?? endedAt };
  return answeredAt === null ? [ring] : [ring, { kind: 'talk', from: answeredAt, to: endedAt }];
}

/** When it rang, when people talked or waited on hold, drawn over the whole call, so that several conversations line up. */
export function TimeLine({
  call,
  conversation,
}: {
  readonly call: Wire<Omit<Call, 'conversations'>>;
  readonly conversation: ShownConversation;
}) {
  const from = Date.parse(call.startedAt);
  const now = Date.now();
  const to = Math.max(from + 1_000, call.endedAt === null ? now : Date.parse(call.endedAt));
  const place = (at: number) => Math.min(100, Math.max(0, ((at - from) / (to - from)) * 100));
  const endOf = (span: Span) => (span.to === null ? now : Date.parse(span.to));
  const spans = conversation.story?.spans ?? plainSpans(conversation);
  const transfers = conversation.story?.transfers ?? [];
  const transferWords = (one: (typeof transfers)[number]) =>
    one.to === null ? t('line.passedOn') : t('line.passedOnTo', { to: one.to });
  const words = [
    ...spans.map(
      (span) =>
        `${showExactTime(span.from)} ${t(`line.${span.kind}`)} ${showDuration((endOf(span) - Date.parse(span.from)) / 1_000)}`,
    ),
    ...transfers.map((one) => `${showExactTime(one.at)} ${transferWords(one)}`),
    ...(conversation.endedAt === null ? [] : [`${showExactTime(conversation.endedAt)} ${t('line.ends')}`]),
  ];
  return (
    <div class="timeline">
      <svg viewBox="0 0 100 14" preserveAspectRatio="none" role="img" aria-label={words.join(', ')}>
        {spans.map((span) => {
          const [x, end] = [place(Date.parse(span.from)), place(endOf(span))];
          return (
            <rect key={span.from} class={span.kind} x={x} y="0" width={Math.max(0.6, end - x)} height="14">
              <title>{t(`line.${span.kind}`)}</title>
            </rect>
          );
        })}
        {transfers.map((one) => (
          <line
            key={one.at}
            class="transfer"
            x1={place(Date.parse(one.at))}
            x2={place(Date.parse(one.at))}
            y1="0"
            y2="14"
            vector-effect="non-scaling-stroke"
          />
        ))}
      </svg>
      <ul class="legend" aria-hidden="true">
        {spans.map((span, index) => (
          <li key={span.from}>
            <i class={`dot ${span.kind}`} />
            {words[index]}
          </li>
        ))}
        {transfers.map((one) => (
          <li key={one.at}>
            <i class="dot transfer" />
            {showExactTime(one.at)} {transferWords(one)}
          </li>
        ))}
        {conversation.endedAt !== null && <li>{words.at(-1)}</li>}
      </ul>
    </div>
  );
}
