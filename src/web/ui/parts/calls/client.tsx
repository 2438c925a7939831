import { t } from '../../i18n/words.ts';
import { showNumber } from '../../format.ts';

interface ClientProps {
  readonly number: string | null;
  readonly callerName: string | null;
  readonly contact?:
    { readonly name: string; readonly company: string | null; readonly url: string | null } | null | undefined;
}

const digits = (text: string) => text.replace(/[\s()+-]/g, '');
const isSameNumber = (name: string | null, number: string | null) =>
  name !== null && number !== null && digits(name) === digits(number);

/** Who called: the contact's name with the number below, or the number alone. */
export function Client({ number, callerName, contact }: ClientProps) {
  const shown = number === null ? t('client.withheld') : showNumber(number);
  const known = contact ? contact.name || contact.company : callerName;
  // A name that is the number again, as CRMs call whom they do not know, says nothing.
  const name = isSameNumber(known, number) ? null : known;
  if (!name) return <span class="number">{shown}</span>;
  const isLink = /^https?:\/\//.test(contact?.url ?? '');
  return (
    <span class="client">
      {isLink ? (
        <a href={contact!.url!} target="_blank" rel="noreferrer">
          {name}
        </a>
      ) : (
        <span>{name}</span>
      )}
      <span class="number quiet">{shown}</span>
    </span>
  );
}
