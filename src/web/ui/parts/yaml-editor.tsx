import { autocompletion, closeBrackets } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import { HighlightStyle, indentUnit, syntaxHighlighting } from '@codemirror/language';
import { lintGutter, setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { EditorState } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { useEffect, useRef } from 'preact/hooks';

export interface EditorFault {
  /** From 1; null: of the whole text. */
  readonly line: number | null;
  readonly message: string;
}

const look = EditorView.theme({
  '&': { color: 'var(--ink)', backgroundColor: 'var(--sheet)', fontSize: '12.5px', height: '100%' },
  '&.cm-focused': { outline: '2px solid var(--accent)', outlineOffset: '-2px' },
  '.cm-scroller': { fontFamily: "ui-monospace, 'Cascadia Mono', 'DejaVu Sans Mono', monospace", lineHeight: '1.6' },
  '.cm-content': { caretColor: 'var(--ink)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '.cm-gutters': { backgroundColor: 'var(--sheet)', color: 'var(--quiet)', borderRight: '1px solid var(--line)' },
  '.cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--sunk) 60%, transparent)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'var(--accent-soft)',
  },
  '.cm-tooltip': { backgroundColor: 'var(--sheet)', border: '1px solid var(--line)', color: 'var(--ink)' },
});
const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--accent)' },
  { tag: [tags.string, tags.attributeValue], color: 'var(--good)' },
  { tag: tags.comment, color: 'var(--quiet)' },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: 'var(--warn)' },
]);

/**
 * A text in YAML with its faults beside the lines. Stands in a shadow tree: there the editor may bring its own styles,
 * which the policy of the page forbids elsewhere. `text` is taken at first and whenever `version` changes.
 */
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
    const root = host.current!.shadowRoot ?? host.current!.attachShadow({ mode: 'open' });
    const editor = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        doc: latest.current.text,
        extensions: [
          lineNumbers(),
          history(),
          drawSelection(),
          highlightActiveLine(),
          closeBrackets(),
          autocompletion({ activateOnTyping: false }),
          indentUnit.of('  '),
          yaml(),
          lintGutter(),
          syntaxHighlighting(colours),
          look,
          // Tab leaves the editor, as it leaves every field: who has no mouse must get out again.
          keymap.of([...defaultKeymap, ...historyKeymap]),
          EditorView.contentAttributes.of({ 'aria-label': latest.current.label, spellcheck: 'false', tabindex: '0' }),
          EditorState.readOnly.of(latest.current.isReadOnly),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) latest.current.onChange(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = editor;
    return () => editor.destroy();
  }, [props.version, props.isReadOnly]);
  useEffect(() => {
    const editor = view.current!;
    const { doc } = editor.state;
    const diagnostics = props.faults.map(({ line, message }): Diagnostic => {
      const place = doc.line(Math.min(Math.max(line ?? 1, 1), doc.lines));
      return { from: place.from, to: place.to, severity: 'error', message };
    });
    editor.dispatch(setDiagnostics(editor.state, diagnostics));
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
  return <div class="editor" ref={host} />;
}
