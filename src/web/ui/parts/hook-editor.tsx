/** The editor of hooks; loaded only where one is opened. */
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from '@codemirror/language';
import { lintGutter, setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { EditorState, type Extension } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { useEffect, useRef } from 'preact/hooks';
import type { HookField, HookTextFault } from '../../hook-door.ts';
import { completeFields } from './hook-completion.ts';

const languages: Readonly<Record<string, () => Promise<Extension>>> = {
  ts: async () => (await import('@codemirror/lang-javascript')).javascript({ typescript: true }),
  js: async () => (await import('@codemirror/lang-javascript')).javascript(),
  php: async () => (await import('@codemirror/lang-php')).php(),
  python: async () => (await import('@codemirror/lang-python')).python(),
};
export const languageExtension = (language: string): Promise<Extension> =>
  languages[language]?.() ?? Promise.resolve([]);

/** Colours are those of the page, so that light and dark need nothing of their own. */
const highlighting = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword], color: 'var(--code-keyword)' },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: 'var(--code-string)' },
  { tag: [tags.comment, tags.docString], color: 'var(--quiet)', fontStyle: 'italic' },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: 'var(--code-number)' },
  { tag: [tags.typeName, tags.className], color: 'var(--code-type)' },
]);
const look = EditorView.theme({
  '&': { fontSize: '13px', backgroundColor: 'var(--sheet)', color: 'var(--ink)', height: '100%' },
  '&.cm-focused': { outline: '2px solid var(--accent)', outlineOffset: '-2px' },
  '.cm-scroller': {
    fontFamily: "ui-monospace, 'Cascadia Mono', 'DejaVu Sans Mono', monospace",
    lineHeight: '1.55',
  },
  '.cm-content': { caretColor: 'var(--ink)', padding: '8px 0' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '.cm-gutters': { backgroundColor: 'var(--sheet)', color: 'var(--quiet)', border: 'none' },
  '.cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--sunk) 50%, transparent)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'var(--accent-soft)',
  },
  '&.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--accent-soft)' },
  '.cm-tooltip': {
    backgroundColor: 'var(--sheet)',
    color: 'var(--ink)',
    border: '1px solid var(--line-strong)',
    borderRadius: '6px',
  },
  '.cm-tooltip-autocomplete > ul > li[aria-selected]': {
    backgroundColor: 'var(--accent-soft)',
    color: 'var(--ink)',
  },
  '.cm-completionDetail': { color: 'var(--quiet)', fontStyle: 'normal' },
  '.cm-completionInfo': { maxWidth: '300px', padding: '6px 10px', fontSize: '12.5px' },
  '.cm-diagnostic-error': { borderLeftColor: 'var(--bad)' },
});

/**
 * Typing over marked text. Left to itself, Chromium dresses what is typed in inline styles like those of the text that goes, which the
 * page's policy refuses and reports.
 */
const typeOverSelection = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { data, inputType } = event as InputEvent;
    const { from, to, empty } = view.state.selection.main;
    if (inputType !== 'insertText' || data === null || empty || view.composing || view.state.readOnly) return false;
    event.preventDefault();
    const insert = () => view.state.update(view.state.replaceSelection(data), { userEvent: 'input.type' });
    const handlers = view.state.facet(EditorView.inputHandler);
    if (!handlers.some((handle) => handle(view, from, to, data, insert))) view.dispatch(insert());
    return true;
  },
});

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

/** One file. The whole editor stands in a shadow tree: there its styles need no exception from the page's policy. */
export default function HookEditor(props: HookEditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    let isGone = false;
    void languageExtension(props.language).then((language) => {
      if (isGone || host.current === null) return;
      const root = host.current.shadowRoot ?? host.current.attachShadow({ mode: 'open' });
      const { text, isReadOnly, label } = latest.current;
      view.current = new EditorView({
        root,
        parent: root,
        state: EditorState.create({
          doc: text,
          extensions: [
            lineNumbers(),
            lintGutter(),
            history(),
            drawSelection(),
            highlightActiveLine(),
            indentOnInput(),
            bracketMatching(),
            closeBrackets(),
            indentUnit.of(props.language === 'python' || props.language === 'php' ? '    ' : '  '),
            // A file keeps the line ends that it has.
            EditorState.lineSeparator.of(text.includes('\r\n') ? '\r\n' : '\n'),
            syntaxHighlighting(highlighting),
            language,
            look,
            typeOverSelection,
            autocompletion({
              override: [(context) => completeFields(context, latest.current.fields, latest.current.language)],
            }),
            keymap.of([
              { key: 'Mod-s', preventDefault: true, run: () => (latest.current.onSave(), true) },
              // Escape first, then Tab, leaves the editor for the keyboard.
              indentWithTab,
              ...closeBracketsKeymap,
              ...completionKeymap,
              ...historyKeymap,
              ...defaultKeymap,
            ]),
            EditorState.readOnly.of(isReadOnly),
            EditorView.editable.of(!isReadOnly),
            EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' }),
            EditorView.updateListener.of((update) => {
              if (update.docChanged) latest.current.onChange(update.state.sliceDoc());
            }),
          ],
        }),
      });
      showFaults(view.current, latest.current.faults);
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
    if (view.current !== null) showFaults(view.current, props.faults);
  }, [props.faults]);

  return <div class="hook-editor" ref={host} />;
}

function showFaults(view: EditorView, faults: readonly HookTextFault[]): void {
  const { doc } = view.state;
  const diagnostics = faults.map(({ line, column, message }): Diagnostic => {
    const at = doc.line(Math.min(Math.max(line ?? 1, 1), doc.lines));
    const from = Math.min(at.to, at.from + Math.max(0, (column ?? 1) - 1));
    return { from, to: column === null ? at.to : Math.min(at.to, from + 1), severity: 'error', message };
  });
  view.dispatch(setDiagnostics(view.state, diagnostics));
  const first = diagnostics[0];
  if (first !== undefined) view.dispatch({ effects: EditorView.scrollIntoView(first.from, { y: 'center' }) });
}
