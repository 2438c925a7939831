import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { shippedTemplatesFolder, type RenderedFile } from './render.ts';

const isNote = (name: string) => name.startsWith('.') || /^readme(\..*)?$/i.test(name) || name.endsWith('~');
const listOf = (folder: string) =>
  existsSync(folder) ? readdirSync(folder, { withFileTypes: true }).filter(({ name }) => !isNote(name)) : [];
const contextsOf = ({ text }: RenderedFile) => [...text.matchAll(/^\[([^\]]+)\]/gm)].map(([, name]) => name!);

/**
 * What lies in the owner's folder of templates and has not the effect that its owner expects: names that nothing reads,
 * partials that nothing uses, and new files that write what a file of ours writes already, as one with a misspelt name does.
 */
export function findUnusedTemplates(owner: string, files: readonly RenderedFile[]): string[] {
  if (!existsSync(owner)) return [];
  const shipped = shippedTemplatesFolder();
  const isShipped = (place: string) => existsSync(join(shipped, place));
  const partials = join(owner, 'partials');
  const used = new Set(
    [
      ...files.map(({ template }) => template),
      ...[join(shipped, 'partials'), partials].flatMap((folder) =>
        listOf(folder).map(({ name }) => join(folder, name)),
      ),
    ]
      .filter((file) => file.endsWith('.hbs'))
      .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/\{\{~?#?>\s*([\w-]+)/g)].map(([, name]) => name!)),
  );
  const advise = (place: string, right: string) =>
    `${join(owner, place)} is not read: ${isShipped(right) ? `to replace ours it must be named ${right}` : `templates are named ${place.startsWith('partials/') ? 'partials/name.hbs' : 'name.conf.hbs'}`}`;
  const stem = (name: string) => name.replace(/(\.conf)?(\.hbs)?$/, '');

  const top = listOf(owner).flatMap((entry): string[] => {
    const { name } = entry;
    if (entry.isDirectory()) return name === 'partials' ? [] : [`${join(owner, name)} is not read: only partials/ is`];
    if (!name.endsWith('.conf.hbs')) return [advise(name, `${stem(name)}.conf.hbs`)];
    if (isShipped(name)) return [];
    const own = files.find(({ template }) => template === join(owner, name));
    if (own === undefined) return [`${join(owner, name)} replaces no file of ours and writes no context`];
    return files
      .filter((file) => file !== own)
      .flatMap((file) => {
        const [twice] = contextsOf(own).filter((context) => contextsOf(file).includes(context));
        const message = `${join(owner, name)} replaces no file of ours and writes the context ${twice} of ${file.name} once more; to replace that it must be named ${basename(file.template)}`;
        return twice === undefined ? [] : [message];
      });
  });
  const below = listOf(partials).flatMap(({ name }): string[] => {
    const place = `partials/${name}`;
    if (!name.endsWith('.hbs')) return [advise(place, `partials/${name}.hbs`)];
    return used.has(stem(name)) ? [] : [`${join(owner, place)} is used by no template`];
  });
  return [...top, ...below];
}
