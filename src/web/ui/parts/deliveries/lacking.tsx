import { useEffect, useRef, useState } from 'preact/hooks';
import type { CompletenessCount } from '../../../../core/call-reports.ts';
import type { LackingAnswerRow, RepairAnswer } from '../../../routes/reports.ts';
import { ask } from '../../api.ts';
import { showDayOf, showMoment } from '../../format.ts';
import { say, t, tCount, tWord } from '../../i18n/words.ts';
import { addressOf } from '../../router.ts';
import type { Wire } from '../../wire.ts';
import { Badge } from '../badge.tsx';
import { Client } from '../calls/client.tsx';
import { CloseDelivery } from './close-delivery.tsx';
import { SendAgain } from '../calls/call-detail.tsx';
import { tell, tellFault } from '../notices.tsx';
import { PagesFoot, usePages } from '../pages.tsx';
import { Empty } from '../screen-head.tsx';
import { showExtension } from '../people/staff.ts';

/** What one CRM lacks of one day, call by call, and the way to bring it there. */
export function Lacking({
  line,
  onRepaired,
}: {
  readonly line: Wire<CompletenessCount>;
  readonly onRepaired: () => void;
}) {
  const [isBusy, setBusy] = useState(false);
  const section = useRef<HTMLElement>(null);
  useEffect(() => section.current?.scrollIntoView({ block: 'nearest' }), []);
  const span = { from: line.day, to: line.day };
  const title = t('lacking.title', { crm: line.crm, day: showDayOf(line.day) });
  const asked = { crm: line.crm, ...span, state: 'missing,rejected,skipped' };
  const pages = usePages<LackingAnswerRow>('completeness/lacking', asked);
  const refresh = () => {
    pages.reload();
    onRepaired();
  };
  const repair = async () => {
    setBusy(true);
    try {
      const body = { crm: line.crm, ...span, state: ['missing', 'rejected'] };
      const { owed, resent } = await ask<RepairAnswer>('completeness/repair', { method: 'POST', body });
      tell(tCount('lacking.repaired', owed + resent));
      refresh();
    } catch (error) {
      tellFault(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <section ref={section} class="lacking" aria-label={title}>
      <div class="row">
        <strong>{title}</strong>
        {line.missing + line.rejected > 0 && (
          <button class="primary" disabled={isBusy} onClick={() => void repair()}>
            {tCount('lacking.repair', line.missing + line.rejected)}
          </button>
        )}
      </div>
      {pages.rows !== null && pages.rows.length === 0 && <Empty>{t('lacking.none')}</Empty>}
      {pages.rows !== null && pages.rows.length > 0 && (
        <div class="sheet">
          <table class="cards">
            <tbody>
              {pages.rows.map((row) => (
                <tr class="line" key={row.source + row.uniqueId}>
                  <td class="number">
                    <a href={addressOf('calls', { call: `${row.source}/${row.linkedId}` })}>
                      {showMoment(row.requestedAt)}
                    </a>
                  </td>
                  <td>
                    <Client number={row.client} callerName={row.clientName} contact={row.contact} />
                  </td>
                  <td>{showExtension(row.extension)}</td>
                  <td>
                    <Badge kind="result" word={row.result} />
                  </td>
                  <td class="reason wide">
                    {row.state === 'missing' ? (
                      <span class="badge bad">{t('lacking.missing')}</span>
                    ) : (
                      <span class="badge">{tWord('state', row.state)}</span>
                    )}{' '}
                    {say(row.reason ?? '')}
                  </td>
                  <td class="right wide">
                    {row.deliveryId !== null && row.state !== 'missing' && (
                      <>
                        <SendAgain delivery={{ id: row.deliveryId, state: row.state }} onSent={refresh} />{' '}
                        <CloseDelivery delivery={{ id: row.deliveryId, state: row.state }} onClosed={refresh} />
                      </>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <PagesFoot pages={pages} />
    </section>
  );
}
