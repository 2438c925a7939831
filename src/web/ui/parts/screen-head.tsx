import type { ComponentChildren } from 'preact';

/** The screen's title, one sentence about it, and what can be done on the whole of it. */
export function ScreenHead(props: {
  readonly title: string;
  readonly about?: string;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="screen-head">
      <div>
        <h1>{props.title}</h1>
        {props.about && <p class="quiet">{props.about}</p>}
      </div>
      {props.children !== undefined && <div class="row">{props.children}</div>}
    </div>
  );
}

export function Empty({ children }: { readonly children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}
