import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../i18n/words.ts';
import { explain } from './notices.tsx';

/** Asks before something is done that others notice. Escape, and the button that has the focus at first, do nothing. */
export function AskFirst(props: {
  readonly title: string;
  readonly action: string;
  readonly isWide?: boolean;
  readonly onClose: () => void;
  /** Rejects with what is shown; resolved, the question closes. */
  readonly onAgree: () => Promise<unknown>;
  readonly children: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const agree = async () => {
    setBusy(true);
    try {
      await props.onAgree();
      props.onClose();
    } catch (error) {
      setFault(explain(error));
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} class={props.isWide ? 'wide' : undefined} onClose={props.onClose} aria-label={props.title}>
      <h2>{props.title}</h2>
      {props.children}
      {fault !== null && (
        <p class="fault" role="alert">
          {fault}
        </p>
      )}
      <div class="row">
        <button type="button" onClick={props.onClose}>
          {t('action.cancel')}
        </button>
        <button type="button" class="primary" disabled={isBusy} onClick={() => void agree()}>
          {props.action}
        </button>
      </div>
    </dialog>
  );
}
