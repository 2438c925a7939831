import { useState } from 'preact/hooks';
import type { Delivery } from '../../../../core/ports.ts';
import { ask } from '../../api.ts';
import { t } from '../../i18n/words.ts';
import { FormDialog, Input } from '../dialog.tsx';
import { tell } from '../notices.tsx';

/** A person decides that a CRM does not get this, and says why. */
export function CloseDelivery({
  delivery,
  onClosed,
}: {
  readonly delivery: Pick<Delivery, 'id' | 'state'>;
  readonly onClosed: () => void;
}) {
  const [isAsked, setAsked] = useState(false);
  if (delivery.state !== 'rejected' && delivery.state !== 'pending') return null;
  const close = async ({ note }: Readonly<Record<string, string>>) => {
    await ask(`deliveries/${encodeURIComponent(delivery.id)}/reject`, { method: 'POST', body: { note } });
    tell(t('close.done'));
    onClosed();
  };
  return (
    <>
      <button class="plain" onClick={() => setAsked(true)}>
        {t('close.action')}
      </button>
      {isAsked && (
        <FormDialog title={t('close.title')} onClose={() => setAsked(false)} onSubmit={close}>
          <p class="quiet small">{t('close.about')}</p>
          <Input name="note" label={t('close.note')} isRequired />
        </FormDialog>
      )}
    </>
  );
}
