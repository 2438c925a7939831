import type { ContactBook } from '../core/contact-book.ts';
import { WebFault } from './fault.ts';
import type { WebParts } from './ports.ts';

/** The built-in CRM's book; 404 with the reason where people keep their contacts elsewhere. */
export function requireContactBook({ contactBook }: WebParts): ContactBook {
  if (contactBook !== null) return contactBook;
  throw new WebFault(
    404,
    'no_contact_book',
    'The built-in CRM is not configured: contacts, leads and tasks live in your CRM.',
  );
}
