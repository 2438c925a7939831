import { useState } from 'preact/hooks';
import type { DialplanPreview } from '../../ports.ts';
import { ask } from '../api.ts';
import { t } from '../i18n/words.ts';
import { Await, useLoaded } from '../parts/loading.tsx';
import { ScreenHead } from '../parts/screen-head.tsx';

/** What would be written for Asterisk, and how it differs from what stands there. */
export function Dialplan() {
  const loaded = useLoaded('dialplan', (signal) => ask<DialplanPreview>('dialplan', { signal }));
  const [shown, setShown] = useState<string | null>(null);
  return (
    <>
      <ScreenHead title={t('screen.dialplan')} about={t('dialplan.about')}>
        <button onClick={loaded.reload}>{t('action.refresh')}</button>
      </ScreenHead>
      <Await loaded={loaded}>
        {({ files, difference, folder }) => {
          const file = files.find(({ name }) => name === shown);
          return (
            <>
              <p class="quiet">
                <code>{folder}</code>
              </p>
              <div class="tabs">
                <button aria-pressed={file === undefined} onClick={() => setShown(null)}>
                  {t('dialplan.difference')}
                </button>
                {files.map(({ name }) => (
                  <button key={name} aria-pressed={name === shown} onClick={() => setShown(name)}>
                    {name}
                  </button>
                ))}
              </div>
              <div class="sheet">
                {file !== undefined ? (
                  <pre class="file" tabIndex={0}>
                    {file.text}
                  </pre>
                ) : difference === '' ? (
                  <p class="empty">{t('dialplan.same')}</p>
                ) : (
                  <Difference text={difference} />
                )}
              </div>
              {difference !== '' && (
                <p class="quiet small">
                  {t('dialplan.apply')} <code>ringledger dialplan apply</code>
                </p>
              )}
            </>
          );
        }}
      </Await>
    </>
  );
}

function kindOf(line: string): string | undefined {
  if (line.startsWith('@@') || line.startsWith('---') || line.startsWith('+++')) return 'place';
  if (line.startsWith('+')) return 'added';
  return line.startsWith('-') ? 'removed' : undefined;
}

function Difference({ text }: { readonly text: string }) {
  return (
    <pre class="file" tabIndex={0}>
      {text.split('\n').map((line, index) => (
        <span key={index} class={kindOf(line)}>
          {line}
          {'\n'}
        </span>
      ))}
    </pre>
  );
}
