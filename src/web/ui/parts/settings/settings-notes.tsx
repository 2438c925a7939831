import { useState } from 'preact/hooks';
import { ask, loadSession } from '../../api.ts';
import { say, t } from '../../i18n/words.ts';
import type { View } from '../../settings-draft.ts';
import { AskFirst } from '../ask-first.tsx';
import { tell } from '../notices.tsx';

/** Why settings cannot be saved here, and how to allow it. */
export function Obstacle({ view }: { readonly view: View }) {
  if (view.obstacle === null) return null;
  const { reason, message, commands } = view.obstacle;
  return (
    <div class="note warn">
      <p>
        <strong>{t(`settings.obstacle.${reason}`)}</strong>
      </p>
      <p class="small">{say(message)}</p>
      <p>{t(reason === 'not_yaml' ? 'settings.mend' : 'settings.allow')}</p>
      <pre class="lines">{commands.join('\n')}</pre>
    </div>
  );
}

/** The file says something else than what runs. */
export function RestartDue({ view, onRestarted }: { readonly view: View; readonly onRestarted: () => void }) {
  const [isAsked, setAsked] = useState(false);
  const [isWaiting, setWaiting] = useState(false);
  if (!view.isRestartDue || view.draft.faults.length > 0) return null;
  const restart = async () => {
    await ask('settings/restart', { method: 'POST', body: {} });
    setWaiting(true);
    void untilBack().then((isBack) => {
      setWaiting(false);
      if (isBack) tell(t('settings.restarted'));
      onRestarted();
    });
  };
  return (
    <div class="note warn" role="status">
      <div class="row spread">
        <span>{t(isWaiting ? 'settings.restarting' : 'settings.restartDue')}</span>
        {view.canRestart && (
          <button disabled={isWaiting} onClick={() => setAsked(true)}>
            {t('settings.restart')}
          </button>
        )}
      </div>
      {!view.canRestart && <pre class="lines">systemctl restart ringledger</pre>}
      {isAsked && (
        <AskFirst
          title={t('settings.restart')}
          action={t('settings.restart')}
          onClose={() => setAsked(false)}
          onAgree={restart}
        >
          <p>{t('settings.restartAbout')}</p>
        </AskFirst>
      )}
    </div>
  );
}

/** The service is away for some seconds; first it has to go. */
async function untilBack(): Promise<boolean> {
  const pause = () => new Promise((resolve) => setTimeout(resolve, 1_000));
  for (let round = 0; round < 60; round++) {
    await pause();
    if (round > 1 && (await loadSession().catch(() => null)) !== null) return true;
  }
  return false;
}
