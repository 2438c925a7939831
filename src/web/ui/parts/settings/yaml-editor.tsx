import { autocompletion } from '@codemirror/autocomplete';
import { yaml } from '@codemirror/lang-yaml';
import { EditorView } from '@codemirror/view';
import { useEffect, useRef } from 'preact/hooks';
import { markFaults, mountEditor, type EditorFault } from '../code-editor.ts';

/** A text in YAML with its faults beside the lines. `text` is taken at first and whenever `version` changes. */
export function YamlEditor(props: {
  readonly label: string;
  readonly text: string;
  readonly version: number;
  readonly faults: readonly EditorFault[];
  readonly isReadOnly: boolean;
  /** Shown and put under the cursor whenever it changes. */
  readonly line: number | null;
  readonly onChange: (text: string) => void;
}) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    const { text, label, isReadOnly } = latest.current;
    const editor = mountEditor(host.current!, {
      text,
      label,
      isReadOnly,
      indent: '  ',
      extensions: [yaml(), autocompletion({ activateOnTyping: false })],
      onChange: (changed) => latest.current.onChange(changed),
    });
    view.current = editor;
    return () => editor.destroy();
  }, [props.version, props.isReadOnly]);
  useEffect(() => {
    markFaults(view.current!, props.faults);
  }, [props.faults, props.version]);
  useEffect(() => {
    const editor = view.current!;
    if (props.line === null) return;
    const place = editor.state.doc.line(Math.min(props.line, editor.state.doc.lines));
    editor.dispatch({
      selection: { anchor: place.from },
      effects: EditorView.scrollIntoView(place.from, { y: 'center' }),
    });
    editor.focus();
  }, [props.line, props.version]);
  return <div class="code-editor framed" ref={host} />;
}
