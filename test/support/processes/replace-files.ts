/** Replaces one file by one content and another, again and again, until it is killed: replace-files.ts FILE BYTES. */
import { replaceFile } from '../../../src/files/replace-file.ts';

const [path, bytes] = process.argv.slice(2);
const contents = ['a', 'b'].map((letter) => letter.repeat(Number(bytes)));
for (let turn = 0; ; turn += 1) {
  await replaceFile(path!, { content: contents[turn % 2]!, mode: 0o640 });
  if (turn === 0) process.stdout.write('begun\n');
}
