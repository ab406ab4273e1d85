// Images without a registry: names, archives, history, commit, removal. Pulls and pushes are in pull-push.test.ts.
import { shape } from '../normalise.ts';
import type { Step } from '../step.ts';

export const images: Step[] = [
  { command: "images --format '{{.Repository}} {{.Tag}} {{.Digest}}'", out: 'guest latest <none>\n' },
  { command: 'images --digests', out: /^guest latest <none> <short id>/m },
  { command: 'images -q --no-trunc', out: 'sha256:<id>\n' },
  { command: 'images nosuch', out: 'REPOSITORY TAG IMAGE ID CREATED SIZE\n' },
  { command: 'images --filter colour=red', code: 1, err: /invalid filter 'colour'/ },
  { command: 'image inspect guest', tidy: shape },
  {
    command:
      "inspect -f '{{.RepoTags}} {{.RepoDigests}} {{.Architecture}} {{.Os}} {{json .Config.Cmd}} {{.Config.Env}}' guest",
    out: '[guest:latest] [] amd64 linux ["/guest","id"] [PATH=/bin GREETING=hello]\n',
  },
  {
    command: 'history guest',
    out: /<short id> <while> guest 1MB/,
    tidy: (text) => text.replace(/\d+ (months?|weeks?) ago/, '2 months ago').replace(/[\d.]+[kM]B/, '1MB'),
  },
  { command: "history --no-trunc --format '{{.ID}} {{.CreatedBy}}' guest", out: 'sha256:<id> guest\n' },
  { command: 'tag guest copy:v1', out: '' },
  { command: 'tag guest registry.example:5000/team/copy:v2', out: '' },
  { command: 'tag nosuch copy', code: 1, err: /No such image: nosuch:latest/ },
  { command: "tag guest 'Bad Name'", code: 1, err: /invalid reference format/ },
  { command: "images --format '{{.Repository}}:{{.Tag}}' --filter reference=copy:*", out: 'copy:v1\n' },
  { command: 'save -o $dir/saved.tar guest copy:v1', out: '', err: '' },
  { command: 'rmi copy:v1', out: 'Untagged: copy:v1\n' },
  { command: 'load -i $dir/saved.tar', out: /Loaded image: copy:v1\n/ },
  { command: 'load -q -i $dir/saved.tar', out: /Loaded image: guest:latest\n/ },
  {
    command: 'rmi copy:v1 registry.example:5000/team/copy:v2',
    out: 'Untagged: copy:v1\nUntagged: registry.example:5000/team/copy:v2\n',
  },
  { command: 'save nosuch -o $dir/none.tar', code: 1, err: /No such image: nosuch/ },
  { command: 'load', stdin: 'garbage', code: 1 },
  { command: 'load -i $dir/none.tar', code: 1, err: /no such file or directory/ },
  { command: 'run --name source guest /guest write /made', out: '/made: ok\n' },
  {
    command:
      "commit -m 'a note' -a me -c 'CMD [\"/guest\",\"cat\",\"/made\"]' -c 'ENV A=b' -c 'EXPOSE 80' -c 'LABEL x=y' source made:1",
    out: 'sha256:<id>\n',
  },
  { command: 'run --rm made:1', out: 'x' },
  {
    command:
      "inspect -f '{{json .Config.ExposedPorts}} {{json .Config.Labels}} {{.Comment}} {{.Author}}' made:1",
    out: '{"80/tcp":{}} {"x":"y"} a note me\n',
  },
  { command: "commit -c 'COLOUR red' source", code: 1, err: /is not a valid change command/ },
  { command: 'commit nosuch', code: 1, err: /No such container: nosuch/ },
  {
    command: "history --format '{{.CreatedBy}} {{.Comment}}' made:1",
    out: '/guest write /made a note\nguest\n',
  },
  { command: 'commit source', out: 'sha256:<id>\n' },
  { command: "images --filter dangling=true --format '{{.Repository}} {{.Tag}}'", out: '<none> <none>\n' },
  { command: 'image prune -f', out: /^Deleted Images:\ndeleted: sha256:<id>\n/ },
  {
    command: 'rmi guest',
    when: 'in use',
    code: 1,
    err: /conflict: unable to remove repository reference "guest"/,
  },
  { command: 'export -o $dir/source.tar source', out: '' },
  {
    command: 'import -c \'CMD ["/guest","say","imported"]\' -m from $dir/source.tar flat:1',
    out: 'sha256:<id>\n',
  },
  { command: 'run --rm flat:1', out: 'imported\n' },
  { command: 'import - empty', stdin: 'garbage', code: 1 },
  { command: 'rm source', out: 'source\n' },
  { command: 'rmi made:1 flat:1', out: /^Untagged: made:1\nDeleted: sha256:<id>\n/ },
  { command: 'rmi made:1', code: 1, err: /No such image: made:1/ },
  { command: 'image inspect nosuch', code: 1, out: '[]\n', err: /No such image: nosuch/ },
  { command: 'image rm -f nosuch', code: 0, err: /No such image: nosuch/ },
  { command: 'history nosuch', code: 1, err: /No such image: nosuch:latest/ },
  { command: 'push nosuch', code: 1, err: /An image does not exist locally with the tag/ },
  { command: 'pull localhost:1/none', code: 1, err: /connection refused/ },
  { command: "pull 'Bad Name'", code: 1, err: /invalid reference format/ },
  { command: 'image prune -af --filter until=200000h', out: 'Total reclaimed space: 0B\n' },
];
