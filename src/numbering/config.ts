import { getCountries, isSupportedCountry } from 'libphonenumber-js/max';
import { z } from 'zod';
import { compileExtensionPattern } from './extension-pattern.ts';

const extensionPattern = z.string().superRefine((text, context) => {
  try {
    compileExtensionPattern(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
  }
});

/** The installation's numbering: the `numbering` section of the configuration. */
export const numberingConfig = z
  .strictObject({
    country: z
      .string()
      .toUpperCase()
      .refine((code) => isSupportedCountry(code), {
        error: () => `must be a two-letter country code such as RU or DE (${getCountries().length} are known)`,
      })
      .default('RU')
      .describe('Country of the installation (ISO 3166, two letters): how national numbers are read'),
    extensions: z
      .array(extensionPattern)
      .default(['_XX', '_XXX', '_XXXX'])
      .describe('Which numbers are extensions: Asterisk patterns (_1XX), ranges (100-199) or single numbers'),
    notExtensions: z
      .array(extensionPattern)
      .default([])
      .describe('Numbers that the patterns above take in although they are none, e.g. 112'),
    trunks: z
      .array(z.string().min(1))
      .default([])
      .describe(
        'Endpoints that lead outside (name, PJSIP/name, or prefix*); empty: every endpoint that is no extension',
      ),
    outsidePrefix: z
      .string()
      .regex(/^\d{1,3}$/, 'must be one to three digits')
      .nullable()
      .default(null)
      .describe('What employees dial to get an outside line, e.g. 9'),
    internationalPrefix: z
      .string()
      .regex(/^\d{1,5}$/, 'must be one to five digits')
      .nullable()
      .default(null)
      .describe("Dialled before a country code, besides + and 00 and the country's own (810 in Russia)"),
    anonymous: z
      .array(z.string())
      .default([])
      .describe('Further texts that the provider sends in place of a withheld number'),
  })
  .prefault({});

export type NumberingConfig = z.output<typeof numberingConfig>;
