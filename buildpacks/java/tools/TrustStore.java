// Writes certificates (PEM files) as a Java key store, the same bytes for the same certificates: `java TrustStore OUT PEM...`.
// Run where an image's or a build's trust store is made. The format is JKS, whose entries carry a date: 0 here.
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public final class TrustStore {
    private static final Pattern CERTIFICATE =
        Pattern.compile("-----BEGIN CERTIFICATE-----([^-]+)-----END");
    /** The password that everybody knows: the store holds nothing secret. */
    private static final String PASSWORD = "changeit";

    public static void main(String[] args) throws Exception {
        List<Path> files = new ArrayList<>();
        for (int index = 1; index < args.length; index++) files.add(Path.of(args[index]));
        Files.write(Path.of(args[0]), store(certificates(files)));
    }

    /** By digest, so that neither order nor repetition matters. */
    private static TreeMap<String, byte[]> certificates(List<Path> files) throws Exception {
        TreeMap<String, byte[]> found = new TreeMap<>();
        for (Path file : files) {
            Matcher matcher = CERTIFICATE.matcher(Files.readString(file, StandardCharsets.ISO_8859_1));
            while (matcher.find()) {
                byte[] der = Base64.getMimeDecoder().decode(matcher.group(1).trim());
                found.put(HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(der)), der);
            }
        }
        return found;
    }

    private static byte[] store(TreeMap<String, byte[]> certificates) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        out.writeInt(0xFEEDFEED);
        out.writeInt(2);
        out.writeInt(certificates.size());
        for (var entry : certificates.entrySet()) writeEntry(out, entry.getKey(), entry.getValue());
        MessageDigest seal = MessageDigest.getInstance("SHA-1");
        seal.update(PASSWORD.getBytes(StandardCharsets.UTF_16BE));
        seal.update("Mighty Aphrodite".getBytes(StandardCharsets.UTF_8));
        out.write(seal.digest(bytes.toByteArray()));
        return bytes.toByteArray();
    }

    private static void writeEntry(DataOutputStream out, String alias, byte[] der) throws IOException {
        out.writeInt(2);
        out.writeUTF(alias);
        out.writeLong(0);
        out.writeUTF("X.509");
        out.writeInt(der.length);
        out.write(der);
    }
}
