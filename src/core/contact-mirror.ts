import type { ContactBook } from './contact-book.ts';
import type { Contact } from './ports.ts';

/** Shorter numbers are never matched by their end: too many have the same one. */
const suffixDigits = 9;

const digitsOf = (number: string) => number.replace(/\D/g, '');

/**
 * Which of two contacts with the same number is the one: the one with a responsible, then the one changed last, then the
 * one with the lower id (12 before 101). Negative when `a` is to be preferred.
 */
export function compareContacts(a: Contact, b: Contact): number {
  const byResponsible = Number(b.responsibleId !== null) - Number(a.responsibleId !== null);
  if (byResponsible !== 0) return byResponsible;
  const byChange = b.updatedAt.getTime() - a.updatedAt.getTime();
  if (byChange !== 0) return byChange;
  if (a.id.length !== b.id.length) return a.id.length - b.id.length;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** True when two different ways of writing may mean one number: at least one is not E.164, and the ends are the same. */
function isPossiblySame(a: string, b: string): boolean {
  if (a.startsWith('+') && b.startsWith('+')) return a === b;
  const [x, y] = [digitsOf(a), digitsOf(b)];
  const length = Math.min(x.length, y.length) >= suffixDigits + 1 ? suffixDigits + 1 : suffixDigits;
  return x.length >= length && y.length >= length && x.slice(-length) === y.slice(-length);
}

/**
 * The contacts of one CRM in memory, found by number without asking anybody. A full match of the normalised number wins;
 * the last ten (or nine) digits count only where one of the two numbers could not be brought to E.164, and only when
 * exactly one contact has them. Among several contacts with the same full number `compareContacts` decides.
 */
export class ContactMirror {
  readonly #contacts = new Map<string, Contact>();
  readonly #idsByNumber = new Map<string, Set<string>>();
  readonly #idsBySuffix = new Map<string, Set<string>>();

  get size(): number {
    return this.#contacts.size;
  }

  /** Adds contacts, or replaces those with the same id. An older version never replaces a newer one. */
  put(contacts: Iterable<Contact>): void {
    for (const contact of contacts) {
      const known = this.#contacts.get(contact.id);
      if (known && known.updatedAt > contact.updatedAt) continue;
      this.remove(contact.id);
      this.#contacts.set(contact.id, contact);
      for (const number of contact.numbers) {
        addTo(this.#idsByNumber, number, contact.id);
        const suffix = suffixOf(number);
        if (suffix) addTo(this.#idsBySuffix, suffix, contact.id);
      }
    }
  }

  remove(id: string): void {
    const contact = this.#contacts.get(id);
    if (!contact) return;
    this.#contacts.delete(id);
    for (const number of contact.numbers) {
      removeFrom(this.#idsByNumber, number, id);
      const suffix = suffixOf(number);
      if (suffix) removeFrom(this.#idsBySuffix, suffix, id);
    }
  }

  /** Keeps only these ids: what a full listing did not name was deleted in the CRM. */
  retain(ids: ReadonlySet<string>): void {
    for (const id of [...this.#contacts.keys()]) if (!ids.has(id)) this.remove(id);
  }

  /** In no order; changes meanwhile may or may not be seen. */
  all(): Iterable<Contact> {
    return this.#contacts.values();
  }

  /** The contact of a normalised number, or null. */
  find(number: string): Contact | null {
    const full = this.#idsByNumber.get(number);
    if (full) return this.#read(full).sort(compareContacts)[0] ?? null;
    const suffix = suffixOf(number);
    const candidates = suffix ? this.#idsBySuffix.get(suffix) : undefined;
    if (!candidates) return null;
    const similar = this.#read(candidates).filter((contact) =>
      contact.numbers.some((known) => isPossiblySame(known, number)),
    );
    return similar.length === 1 ? similar[0]! : null;
  }

  #read(ids: ReadonlySet<string>): Contact[] {
    return [...ids].map((id) => this.#contacts.get(id)!);
  }
}

/** The book, but who is deleted from it is unknown to the next call, and not only after the next full listing. */
export function forgettingDeleted(book: ContactBook, mirror: ContactMirror): ContactBook {
  return {
    ...book,
    async deleteContact(id) {
      const isDeleted = await book.deleteContact(id);
      mirror.remove(id);
      return isDeleted;
    },
  };
}

function suffixOf(number: string): string | null {
  const digits = digitsOf(number);
  return digits.length >= suffixDigits ? digits.slice(-suffixDigits) : null;
}

function addTo(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key);
  if (ids) ids.add(id);
  else index.set(key, new Set([id]));
}

function removeFrom(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key);
  if (ids?.delete(id) && ids.size === 0) index.delete(key);
}
