// What COPY and ADD put into an image: names, folders, patterns, owners, modes, links, here-documents, archives, ignored files.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: a Dockerfile writes its variables so
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { BuildBench } from './build-harness.ts';
import { makeTar } from './make-tar.ts';

let bench: BuildBench;

before(async () => {
  bench = await BuildBench.start('bld3');
});

after(async () => {
  await bench.engine.close();
});

const built = (...args: Parameters<BuildBench['built']>) => bench.built(...args);
const refused = (...args: Parameters<BuildBench['refused']>) => bench.refused(...args);

describe('files', () => {
  const tree = {
    'a.txt': 'a\n',
    'b.txt': 'b\n',
    'c.md': 'c\n',
    'dir/one': '1\n',
    'dir/sub/two.log': '2\n',
    'dir/sub/two': '2\n',
    'dir/link': '-> one',
    'name with space': 's\n',
  };

  test('COPY: files, folders, patterns, several sources, names with spaces', async () => {
    await built(
      'copies',
      `FROM base
WORKDIR /w
COPY a.txt renamed
COPY a.txt into/
COPY *.txt c.md many/
COPY dir folder
COPY dir/sub/ /abs/deep
COPY ["name with space", "spaced"]
COPY a.txt /tmp
`,
      tree,
    );
    const seen = await bench.sh(
      'copies',
      'find . /abs /tmp | sort; cat renamed folder/link; stat -c %a /tmp; readlink folder/link',
    );
    assert.equal(
      seen,
      `.
./folder
./folder/link
./folder/one
./folder/sub
./folder/sub/two
./folder/sub/two.log
./into
./into/a.txt
./many
./many/a.txt
./many/b.txt
./many/c.md
./renamed
./spaced
/abs
/abs/deep
/abs/deep/two
/abs/deep/two.log
/tmp
/tmp/a.txt
a
1
1777
one
`,
    );
  });

  test('--chown, --chmod, --exclude, --parents and --link', async () => {
    await built(
      'flags',
      `FROM base
COPY --chown=app:web --chmod=640 a.txt /a
COPY --chown=55 dir /numbers
COPY --chmod=u=rwX,go=rX dir /symbolic
COPY --exclude=**/*.log --exclude=link dir /kept
COPY --parents dir/sub/two dir/./sub/two.log /with/
COPY --link b.txt /linked/b
`,
      tree,
    );
    const seen = await bench.sh(
      'flags',
      'stat -c "%n %u:%g %a" /a /numbers /numbers/one /symbolic/one /symbolic/sub; find /kept /with /linked -type f | sort',
    );
    assert.equal(
      seen,
      `/a 1000:33 640
/numbers 55:55 755
/numbers/one 55:55 644
/symbolic/one 0:0 644
/symbolic/sub 0:0 755
/kept/one
/kept/sub/two
/linked/b
/with/dir/sub/two
/with/sub/two.log
`,
    );
  });

  test('COPY --from keeps owners, times and hard links, and reads stages and images', async () => {
    await built('sub', 'FROM base\nWORKDIR /srv/sub\n');
    await built(
      'from',
      `FROM base AS made
RUN mkdir /out && echo x > /out/f && ln /out/f /out/hard && ln -s f /out/soft && chown 7:8 /out/f && touch -d @1000000000 /out/f
FROM base
COPY --from=made /out /in
COPY --from=sub /srv /srv
COPY --from=0 /out/f /single
`,
    );
    const seen = await bench.sh(
      'from',
      'stat -c "%n %u:%g %Y %h" /in/f /in/hard /single; readlink /in/soft; ls -d /srv/sub',
    );
    assert.equal(
      seen,
      '/in/f 7:8 1000000000 2\n/in/hard 7:8 1000000000 2\n/single 7:8 1000000000 1\nf\n/srv/sub\n',
    );
  });

  test('a copy over what is there: into linked folders, over files, never a file over a folder', async () => {
    await built(
      'over',
      `FROM base
RUN mkdir -p /usr/lib /there/one && ln -s usr/lib /lib64x && echo old > /file && ln -s file /alias && chmod 700 /there
COPY dir /lib64x/
COPY dir/ /there2/
COPY a.txt /alias
COPY dir/sub /there
`,
      tree,
    );
    assert.equal(
      await bench.sh('over', 'ls /usr/lib; cat /file; stat -c %a /there; readlink /alias'),
      'link\none\nsub\na\n700\nfile\n',
    );
    assert.match(
      await refused('FROM base\nRUN mkdir -p /d/one\nCOPY dir /d\n', tree),
      /cannot copy to "d\/one": a folder of that name is there/,
    );
  });

  test('here-documents as files and as scripts', async () => {
    await built(
      'documents',
      `FROM base
ARG WHO=you
COPY <<one <<"two" /etc/
hi \${WHO} \\$x
one
hi \${WHO}
two
RUN <<EOF
set -e
echo first > /r
echo second >> /r
EOF
RUN cat <<A >> /r && cat >> /r <<B
third
A
fourth
B
RUN <<EOF
#!/bin/cat
itself
EOF
`,
    );
    assert.equal(
      await bench.sh('documents', 'cat /etc/one /etc/two /r'),
      'hi you $x\nhi ${WHO}\nfirst\nsecond\nthird\nfourth\n',
    );
  });

  test('ADD unpacks archives known by their content, and copies everything else', async () => {
    const dir = await bench.context({
      Dockerfile: 'FROM base\nADD in.any out.tar plain.gz /x/\n',
      'out.tar': 'not a tar\n',
    });
    const tar = makeTar([
      { name: 'd/', type: '5', mode: 0o755 },
      { name: 'd/f', content: 'unpacked\n', uid: 5, gid: 6 },
    ]);
    writeFileSync(join(dir, 'in.any'), gzipSync(tar));
    writeFileSync(join(dir, 'plain.gz'), gzipSync('no archive'));
    const { code, err } = await bench.docker(['build', '-t', 'added', dir]);
    assert.equal(code, 0, err);
    assert.equal(
      await bench.sh('added', 'stat -c "%n %u:%g" /x/d/f; cat /x/d/f /x/out.tar; ls /x'),
      '/x/d/f 5:6\nunpacked\nnot a tar\nd\nout.tar\nplain.gz\n',
    );
  });

  test('.dockerignore: the last line that matches decides; one beside the Dockerfile comes first', async () => {
    const files = { ...tree, '.dockerignore': '**/*.log\n*.md\ndir/s*\n!dir/sub/two\n# no\nDockerfile\n' };
    await built('ignored', 'FROM base\nCOPY . /c\n', files);
    assert.equal(
      await bench.sh('ignored', 'cd /c; find . -type f -o -type l | sort'),
      './.dockerignore\n./a.txt\n./b.txt\n./dir/link\n./dir/one\n./dir/sub/two\n./name with space\n',
    );
    const dir = await bench.context({
      ...files,
      'other.Dockerfile': 'FROM base\nCOPY . /c\n',
      'other.Dockerfile.dockerignore': '*\n!a.txt\n',
    });
    const result = await bench.docker(['build', '-t', 'ignored', '-f', join(dir, 'other.Dockerfile'), dir]);
    assert.equal(result.code, 0, result.err);
    assert.equal(await bench.sh('ignored', 'ls /c'), 'a.txt\n');
    assert.match(
      await refused('FROM base\nCOPY c.md /\n', files),
      /COPY failed: file not found in build context or excluded by .dockerignore: stat c.md/,
    );
  });

  test('a Dockerfile from stdin, with and without a context', async () => {
    const alone = await bench.docker(['build', '-t', 'stdin', '-'], 'FROM base\nRUN echo in > /f\n');
    assert.equal(alone.code, 0, alone.err);
    const dir = await bench.context(tree);
    const beside = await bench.docker(['build', '-t', 'stdin', '-f', '-', dir], 'FROM base\nCOPY a.txt /a\n');
    assert.equal(beside.code, 0, beside.err);
    assert.equal(await bench.sh('stdin', 'cat /a'), 'a\n');
  });
});
