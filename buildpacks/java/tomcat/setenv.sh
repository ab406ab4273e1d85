# Read by catalina.sh at start: server.xml takes PORT from the environment; what Tomcat writes goes below /tmp, the rest belongs to root.
CATALINA_TMPDIR=/tmp
CATALINA_OPTS="-Dorg.apache.tomcat.util.digester.PROPERTY_SOURCE=org.apache.tomcat.util.digester.EnvironmentPropertySource $CATALINA_OPTS"
