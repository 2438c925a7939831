/** The editor of hooks; loaded only where one is opened. */
import { autocompletion } from '@codemirror/autocomplete';
import type { Extension } from '@codemirror/state';
import { EditorView, keymap } from '@codemirror/view';
import { useEffect, useRef } from 'preact/hooks';
import type { HookField, HookTextFault } from '../../../hook-door.ts';
import { markFaults, mountEditor } from '../code-editor.ts';
import { completeFields } from './hook-completion.ts';

const languages: Readonly<Record<string, () => Promise<Extension>>> = {
  ts: async () => (await import('@codemirror/lang-javascript')).javascript({ typescript: true }),
  js: async () => (await import('@codemirror/lang-javascript')).javascript(),
  php: async () => (await import('@codemirror/lang-php')).php(),
  python: async () => (await import('@codemirror/lang-python')).python(),
};
const languageExtension = (language: string): Promise<Extension> => languages[language]?.() ?? Promise.resolve([]);

export interface HookEditorProps {
  /** Another text under the same key is taken over; one that the person types is told with `onChange`. */
  readonly text: string;
  readonly language: string;
  readonly label: string;
  readonly isReadOnly: boolean;
  readonly faults: readonly HookTextFault[];
  readonly fields: { readonly input: readonly HookField[]; readonly answer: readonly HookField[] };
  readonly onChange: (text: string) => void;
  readonly onSave: () => void;
}

/** One file of a hook, with completion of what it is given and may answer. */
export function HookEditor(props: HookEditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    let isGone = false;
    void languageExtension(props.language).then((language) => {
      if (isGone || host.current === null) return;
      const { text, label, isReadOnly, faults } = latest.current;
      view.current = mountEditor(host.current, {
        text,
        label,
        isReadOnly,
        indent: props.language === 'python' || props.language === 'php' ? '    ' : '  ',
        extensions: [
          language,
          autocompletion({
            override: [(context) => completeFields(context, latest.current.fields, latest.current.language)],
          }),
          keymap.of([{ key: 'Mod-s', preventDefault: true, run: () => (latest.current.onSave(), true) }]),
        ],
        onChange: (changed) => latest.current.onChange(changed),
      });
      goToFaults(view.current, faults);
    });
    return () => {
      isGone = true;
      view.current?.destroy();
      view.current = null;
    };
  }, [props.language, props.isReadOnly]);

  useEffect(() => {
    const editor = view.current;
    if (editor === null || editor.state.sliceDoc() === props.text) return;
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: props.text } });
  }, [props.text]);

  useEffect(() => {
    if (view.current !== null) goToFaults(view.current, props.faults);
  }, [props.faults]);

  return <div class="code-editor" ref={host} />;
}

function goToFaults(view: EditorView, faults: readonly HookTextFault[]): void {
  const first = markFaults(view, faults);
  if (first !== null) view.dispatch({ effects: EditorView.scrollIntoView(first, { y: 'center' }) });
}
