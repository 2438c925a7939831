function kindOf(line: string): string | undefined {
  if (line.startsWith('@@') || line.startsWith('---') || line.startsWith('+++')) return 'place';
  if (line.startsWith('+')) return 'added';
  return line.startsWith('-') ? 'removed' : undefined;
}

/** A unified difference, its lines told apart by more than their colour: they begin with + and -. */
export function Difference({ text, label }: { readonly text: string; readonly label: string }) {
  return (
    <pre class="file" tabIndex={0} role="region" aria-label={label}>
      {text.split('\n').map((line, index) => (
        <span key={index} class={kindOf(line)}>
          {line}
          {'\n'}
        </span>
      ))}
    </pre>
  );
}
