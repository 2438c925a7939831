import { useId, useState } from 'preact/hooks';
import type { SettingEdit } from '../../../ports.ts';
import { say, settingText, t } from '../../i18n/words.ts';
import {
  fileKey,
  formatPath,
  valueAt,
  type Draft,
  type Path,
  type PendingSecret,
  type View,
} from '../../settings-draft.ts';
import { formOf, isNullable, showPlain, variantOf, type Form, type Schema } from '../../setting-forms.ts';

/** What every field of the form needs to know of the whole. */
export interface FormContext {
  readonly view: View;
  readonly draft: Draft;
  readonly secrets: readonly PendingSecret[];
  readonly isReadOnly: boolean;
  readonly edit: (...edits: readonly SettingEdit[]) => void;
  readonly replaceSecret: (path: Path, value: string) => void;
  /** Shows where this stands in the whole file. */
  readonly showText: (path: Path) => void;
}

interface FieldProps {
  readonly context: FormContext;
  readonly schema: Schema;
  readonly path: Path;
  /** There is no default to fall back to. */
  readonly isRequired?: boolean;
}

/** One setting with its documentation, its default, and what is wrong with it. */
export function SettingField({ context, schema, path, isRequired = false }: FieldProps) {
  const form = formOf(schema);
  const written = valueAt(context.draft.values, path);
  switch (form.kind) {
    case 'group':
    case 'variants':
      return <Group context={context} schema={schema} path={path} form={form} written={written} />;
    case 'entries':
      return <Entries context={context} schema={schema} path={path} items={form.items} written={written} />;
    default:
      return (
        <Plain context={context} schema={schema} path={path} form={form} written={written} isRequired={isRequired} />
      );
  }
}

const startsWith = (path: Path, start: Path) => start.every((key, index) => path[index] === key);

/** What the setting is for: in the person's language, else as the schema says it. */
function About({ schema, path }: Pick<FieldProps, 'schema' | 'path'>) {
  const text = settingText(path.filter((key) => typeof key === 'string').join('.')) ?? schema.description;
  return text === undefined ? null : <p class="small quiet">{text}</p>;
}

function Faults({ context, path }: { readonly context: FormContext; readonly path: Path }) {
  const name = formatPath(path);
  const names = [name, formatPath(fileKey(path))];
  const faults = context.draft.faults.filter((fault) => names.includes(fault.path));
  return (
    <>
      {faults.map(({ message }, index) => (
        <p class="setting-fault" key={index}>
          {say(message)}
        </p>
      ))}
    </>
  );
}

function Plain(props: FieldProps & { readonly form: Form; readonly written: unknown }) {
  const { context, schema, path, form, written } = props;
  const id = useId();
  const name = String(path.at(-1));
  const variable = context.view.overridden.find(({ path: set }) => startsWith(path, set))?.variable ?? null;
  const isLocked = context.isReadOnly || variable !== null;
  const inEffect = showPlain(valueAt(context.view.effective, path)) ?? showPlain(schema.default);
  const isSet = written !== undefined;
  return (
    <div class={isSet ? 'setting is-set' : 'setting'}>
      <div class="setting-words">
        <label for={id}>
          <code>{name}</code>
        </label>
        <About schema={schema} path={path} />
      </div>
      <div class="setting-value">
        {form.kind === 'secret' ? (
          <Secret {...props} id={id} isLocked={isLocked} />
        ) : (
          <div class="row nowrap">
            <Control {...props} id={id} isLocked={isLocked} inEffect={inEffect} />
            {isSet && !isLocked && form.kind !== 'other' && props.isRequired !== true && (
              <button
                class="plain"
                title={t('settings.toDefault')}
                aria-label={`${t('settings.toDefault')}: ${formatPath(path)}`}
                onClick={() => context.edit({ path })}
              >
                ↺
              </button>
            )}
          </div>
        )}
        {variable !== null && <p class="small quiet">{t('settings.byVariable', { variable })}</p>}
        {schema.default !== undefined && showPlain(schema.default) !== null && isSet && (
          <p class="small quiet">{t('settings.default', { value: showPlain(schema.default) ?? '' })}</p>
        )}
        <Faults context={context} path={path} />
      </div>
    </div>
  );
}

interface ControlProps extends FieldProps {
  readonly form: Form;
  readonly written: unknown;
  readonly id: string;
  readonly isLocked: boolean;
  readonly inEffect: string | null;
}

function Control({ context, schema, path, form, written, id, isLocked, inEffect }: ControlProps) {
  const set = (value: unknown) => context.edit({ path, value });
  const clear = () => context.edit({ path });
  const words = t(written === undefined || written === null ? 'settings.writeText' : 'settings.editText');
  const unset = isNullable(schema) ? t('settings.none') : t('settings.notSet');
  const placeholder = inEffect ?? unset;
  const shown = showPlain(written) ?? '';
  switch (form.kind) {
    case 'choice':
      return (
        <select
          id={id}
          disabled={isLocked}
          value={written === undefined ? '' : String(written)}
          onChange={({ currentTarget: { value } }) =>
            value === '' ? clear() : set(form.options.find((option) => String(option) === value))
          }
        >
          <option value="" selected={written === undefined}>
            {t('settings.asDefault', { value: placeholder })}
          </option>
          {form.options.map((option) => (
            <option key={String(option)} value={String(option)} selected={String(written) === String(option)}>
              {typeof option === 'boolean' ? t(option ? 'settings.yes' : 'settings.no') : option}
            </option>
          ))}
        </select>
      );
    case 'list': {
      const items = Array.isArray(written) ? written.map(String) : [];
      return (
        <textarea
          id={id}
          disabled={isLocked}
          rows={Math.min(8, Math.max(1, items.length))}
          placeholder={inEffect === '' || inEffect === null ? t('settings.listEmpty') : inEffect}
          title={t('settings.listAbout')}
          value={items.join('\n')}
          onChange={({ currentTarget: { value } }) => {
            const lines = value.split('\n').flatMap((line) => line.trim() || []);
            if (lines.length === 0) clear();
            else set(form.isNumbers ? lines.map((line) => (Number.isNaN(Number(line)) ? line : Number(line))) : lines);
          }}
        />
      );
    }
    case 'record': {
      const entries = typeof written === 'object' && written !== null ? Object.entries(written) : [];
      return (
        <textarea
          id={id}
          disabled={isLocked}
          rows={Math.min(10, Math.max(2, entries.length))}
          placeholder={t('settings.recordAbout')}
          value={entries.map(([key, value]) => `${key}: ${String(value)}`).join('\n')}
          onChange={({ currentTarget: { value } }) => {
            const pairs = value.split('\n').flatMap((line) => {
              const [key = '', ...rest] = line.split(':');
              return key.trim() === '' ? [] : [[key.trim(), rest.join(':').trim()] as const];
            });
            if (pairs.length === 0) clear();
            else set(Object.fromEntries(pairs));
          }}
        />
      );
    }
    case 'number':
    case 'text':
      return (
        <input
          id={id}
          disabled={isLocked}
          inputMode={form.kind === 'number' ? 'decimal' : 'text'}
          autocomplete="off"
          value={shown}
          placeholder={placeholder}
          onChange={({ currentTarget: { value } }) => {
            const text = value.trim();
            if (text === '') clear();
            // What is no number is told as a fault, like everywhere.
            else set(form.kind === 'number' && !Number.isNaN(Number(text)) ? Number(text) : text);
          }}
        />
      );
    default:
      return (
        <button aria-label={`${words}: ${formatPath(path)}`} onClick={() => context.showText(path)}>
          {words}
        </button>
      );
  }
}

/** Never shown: only whether it is set, where, and a way to replace it. */
function Secret(props: FieldProps & { readonly written: unknown; readonly id: string; readonly isLocked: boolean }) {
  const { context, path, written, id, isLocked } = props;
  const [isTyping, setTyping] = useState(false);
  const file = showPlain(valueAt(context.draft.values, fileKey(path)));
  const isPending = context.secrets.some((secret) => formatPath(secret.path) === formatPath(path));
  const state = isPending
    ? t('settings.secret.pending', { file: file ?? '' })
    : file !== null
      ? t('settings.secret.file', { file })
      : showPlain(written) !== null
        ? t('settings.secret.set')
        : t('settings.secret.unset');
  const isSet = file !== null || showPlain(written) !== null;
  const action = t(isSet ? 'settings.secret.replace' : 'settings.secret.write');
  if (isTyping) {
    return (
      <form
        class="row nowrap"
        onSubmit={(event) => {
          event.preventDefault();
          const value = (event.currentTarget as HTMLFormElement).querySelector('input')!.value;
          if (value !== '') context.replaceSecret(path, value);
          setTyping(false);
        }}
      >
        <input id={id} type="password" autocomplete="new-password" maxLength={10_000} />
        <button>{t('settings.secret.take')}</button>
        <button type="button" class="plain" onClick={() => setTyping(false)}>
          {t('action.cancel')}
        </button>
      </form>
    );
  }
  return (
    <div class="row">
      <span class={isSet ? 'badge good' : 'badge'}>{state}</span>
      {!isLocked && (
        <button aria-label={`${action}: ${formatPath(path)}`} onClick={() => setTyping(true)}>
          {action}
        </button>
      )}
    </div>
  );
}

function Group(
  props: FieldProps & { readonly form: Form & { kind: 'group' | 'variants' }; readonly written: unknown },
) {
  const { context, schema, path, form, written } = props;
  const name = path.at(-1);
  const isTop = path.length === 1;
  const isAbsent = (written === undefined || written === null) && isNullable(schema);
  const isOptional = isNullable(schema);
  const variant = form.kind === 'variants' ? variantOf(form.variants, form.tag, written) : null;
  const inner = form.kind === 'group' ? form.properties : (variant?.properties ?? {});
  const required = form.kind === 'group' ? form.required : (variant?.required ?? []);
  const body = (
    <>
      {form.kind === 'variants' && form.variants.length > 1 && (
        <KindChoice
          context={context}
          path={[...path, form.tag]}
          variants={form.variants}
          tag={form.tag}
          written={written}
        />
      )}
      {Object.entries(inner)
        .filter(([key]) => form.kind === 'group' || key !== form.tag)
        .map(([key, property]) => (
          <SettingField
            key={key}
            context={context}
            schema={property}
            path={[...path, key]}
            isRequired={required.includes(key)}
          />
        ))}
    </>
  );
  if (typeof name === 'number') return body;
  if (isTop) {
    return (
      <>
        <About schema={schema} path={path} />
        {body}
      </>
    );
  }
  return (
    <fieldset class="settings-group">
      <legend>
        <code>{name}</code>
      </legend>
      <About schema={schema} path={path} />
      <Faults context={context} path={path} />
      {isAbsent ? (
        <button disabled={context.isReadOnly} onClick={() => context.edit({ path, value: {} })}>
          {t('settings.setUp')}
        </button>
      ) : (
        body
      )}
      {isOptional && !isAbsent && (
        <button class="plain" disabled={context.isReadOnly} onClick={() => context.edit({ path })}>
          {t('settings.takeOut', { name: String(name) })}
        </button>
      )}
    </fieldset>
  );
}

function KindChoice(props: {
  readonly context: FormContext;
  readonly path: Path;
  readonly variants: readonly Schema[];
  readonly tag: string;
  readonly written: unknown;
}) {
  const options = props.variants.map(({ properties }) => String(properties?.[props.tag]?.const));
  return (
    <Plain
      context={props.context}
      schema={{ enum: options }}
      path={props.path}
      form={{ kind: 'choice', options }}
      written={valueAt(props.written, [props.tag])}
    />
  );
}

/** What an entry of a list is called: by its name, else by whatever tells it from the others. */
function titleOf(entry: unknown, index: number): string {
  const words = ['name', 'id', 'extension', 'number', 'pattern', 'path', 'to'].flatMap(
    (key) => showPlain(valueAt(entry, [key])) ?? [],
  );
  return words[0] ?? `№ ${index + 1}`;
}

function Entries(props: FieldProps & { readonly items: Schema; readonly written: unknown }) {
  const { context, schema, path, items, written } = props;
  const entries: readonly unknown[] = Array.isArray(written) ? written : [];
  const form = formOf(items);
  const kinds =
    form.kind === 'variants' ? form.variants.map(({ properties }) => String(properties?.[form.tag]?.const)) : [];
  const add = (value: object) => context.edit({ path: [...path, entries.length], value });
  const content = (
    <>
      <About schema={schema} path={path} />
      <Faults context={context} path={path} />
      {entries.map((entry, index) => (
        <details class="entry" key={index} open={entries.length === 1 && path.length === 1}>
          <summary>
            <span>{titleOf(entry, index)}</span>
            {typeof valueAt(entry, ['kind']) === 'string' && (
              <span class="badge">{String(valueAt(entry, ['kind']))}</span>
            )}
          </summary>
          <SettingField context={context} schema={items} path={[...path, index]} />
          {!context.isReadOnly && (
            <button class="plain" onClick={() => context.edit({ path: [...path, index] })}>
              {t('settings.takeOut', { name: titleOf(entry, index) })}
            </button>
          )}
        </details>
      ))}
      {!context.isReadOnly && (
        <div class="row">
          {kinds.length === 0 ? (
            <button onClick={() => add({})}>{t('settings.add')}</button>
          ) : (
            kinds.map((kind) => (
              <button key={kind} onClick={() => add({ kind })}>
                {t('settings.addKind', { kind })}
              </button>
            ))
          )}
        </div>
      )}
    </>
  );
  if (path.length === 1) return <div class="entries">{content}</div>;
  return (
    <fieldset class="settings-group">
      <legend>
        <code>{String(path.at(-1))}</code>
      </legend>
      {content}
    </fieldset>
  );
}
