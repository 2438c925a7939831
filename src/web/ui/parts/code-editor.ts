/** What every editor of code here has in common; loaded only where one is opened. */
import { closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from '@codemirror/language';
import { lintGutter, setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { EditorState, type Extension } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { say } from '../i18n/words.ts';
import '../styles/code-editor.css';

export interface EditorFault {
  /** From 1; null: of the whole text. */
  readonly line: number | null;
  /** From 1; without it the whole line is marked. */
  readonly column?: number | null;
  readonly message: string;
}

/** Colours are those of the page, so that light and dark need nothing of their own. */
const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword], color: 'var(--code-keyword)' },
  { tag: [tags.string, tags.special(tags.string), tags.regexp, tags.attributeValue], color: 'var(--code-string)' },
  { tag: [tags.comment, tags.docString], color: 'var(--quiet)', fontStyle: 'italic' },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: 'var(--code-number)' },
  { tag: [tags.typeName, tags.className, tags.definition(tags.propertyName)], color: 'var(--code-type)' },
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

/**
 * An editor in a shadow tree below `host`: there its styles need no exception from the page's policy. A text keeps the line ends that it
 * has. Tab leaves the editor, as it leaves every field: whoever has no mouse must get out again.
 */
export function mountEditor(
  host: HTMLElement,
  options: {
    readonly text: string;
    readonly label: string;
    readonly isReadOnly: boolean;
    readonly indent: string;
    /** The language, completion, and keys that come before the usual ones. */
    readonly extensions: readonly Extension[];
    onChange(text: string): void;
  },
): EditorView {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
  const { text, label, isReadOnly } = options;
  return new EditorView({
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
        indentUnit.of(options.indent),
        EditorState.lineSeparator.of(text.includes('\r\n') ? '\r\n' : '\n'),
        syntaxHighlighting(colours),
        look,
        typeOverSelection,
        ...options.extensions,
        keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...defaultKeymap]),
        EditorState.readOnly.of(isReadOnly),
        EditorView.editable.of(!isReadOnly),
        EditorView.contentAttributes.of({ 'aria-label': label, spellcheck: 'false', tabindex: '0' }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) options.onChange(update.state.sliceDoc());
        }),
      ],
    }),
  });
}

/** Marks faults beside their lines, in the place of those marked before. Tells where the first one is. */
export function markFaults(view: EditorView, faults: readonly EditorFault[]): number | null {
  const { doc } = view.state;
  const diagnostics = faults.map(({ line, column = null, message }): Diagnostic => {
    const at = doc.line(Math.min(Math.max(line ?? 1, 1), doc.lines));
    const from = Math.min(at.to, at.from + Math.max(0, (column ?? 1) - 1));
    return { from, to: column === null ? at.to : Math.min(at.to, from + 1), severity: 'error', message: say(message) };
  });
  view.dispatch(setDiagnostics(view.state, diagnostics));
  return diagnostics[0]?.from ?? null;
}
