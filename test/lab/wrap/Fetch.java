import java.net.URL;

/** Fetches a page by Java's own client. */
public class Fetch {
  public static void main(String[] args) throws Exception {
    try (var page = new URL(args[0]).openStream()) {
      page.transferTo(System.out);
    }
  }
}
