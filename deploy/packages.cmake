# The Debian packages, as CPack makes them; deploy/package.sh is how to call it.
#
# Dependencies on Debian's libraries are dpkg-shlibdeps's; those between these packages are of one
# version, since they speak to each other by what that version knows.
set(AKSSL_DEBIAN_REVISION "" CACHE STRING "lay files out for Debian packages of this revision, as 1~deb12")
set(AKSSL_DEBIAN_VERSION ${PROJECT_VERSION} CACHE STRING "version of the packages, without the revision")
set(AKSSL_MAINTAINER "akssl <root@localhost>" CACHE STRING "whom the packages name")
set(version ${AKSSL_DEBIAN_VERSION}-${AKSSL_DEBIAN_REVISION})
set(debian ${CMAKE_CURRENT_SOURCE_DIR}/debian)
set(library_package libakssl-client${PROJECT_VERSION_MAJOR})

# akssl_package(COMPONENT NAME SECTION SUMMARY DESCRIPTION): one package, with the papers that each has.
macro(akssl_package component name section summary description)
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name})
  set(CPACK_DEBIAN_${upper}_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section})
  set(CPACK_DEBIAN_${upper}_DESCRIPTION "${summary}\n${description}")
  if(AKSSL_DEBIAN_REVISION)
    install(FILES ${debian}/copyright COMPONENT ${component}
            DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name})
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian.gz COMPONENT ${component}
            DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name})
  endif()
endmacro()

akssl_package(daemon akssld net "coordinator of self-supervised pretraining"
  "akssld queues pretraining jobs of vision backbones for a lab, starts them on MPI ranks, holds the state\
 that they share and commits it with their checkpoints. Jobs outlive its restarts and upgrades.")
akssl_package(worker akssl-worker science "ranks of self-supervised pretraining"
  "akssl-worker trains ResNets and vision transformers on CPU cores by SimCLR, MoCo, BYOL, DINO, SwAV and\
 others, to the same bytes on any number of MPI ranks. akssld starts it.")
akssl_package(client akssl-client net "submit and watch pretraining jobs of akssld"
  "akssl-client submits jobs to an akssld, here or by TLS elsewhere, and lists, watches, pauses and\
 cancels them.")
akssl_package(library ${library_package} libs "submit and watch pretraining jobs of akssld (library)"
  "The C library under akssl-client.")
akssl_package(development libakssl-client-dev libdevel "submit and watch pretraining jobs of akssld (headers)"
  "Headers and pkg-config file of the C library under akssl-client, and the gRPC schema for other languages.")

if(AKSSL_DEBIAN_REVISION)
  # Reproducible: the date is the source's, where that says one.
  string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian "akssl (${version}) unstable; urgency=medium

  * Packaged by deploy/package.sh; /usr/share/doc/akssl/CHANGELOG.md says what is new.

 -- ${AKSSL_MAINTAINER}  ${date}
")
  execute_process(COMMAND gzip -9nkf ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian COMMAND_ERROR_IS_FATAL ANY)
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL daemon worker client library development)
set(CPACK_PACKAGE_NAME akssl)
set(CPACK_PACKAGE_VENDOR akssl)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "lab server for self-supervised pretraining")
set(CPACK_PACKAGE_VERSION ${AKSSL_DEBIAN_VERSION})
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_SET_DESTDIR ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${AKSSL_DEBIAN_REVISION})
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${AKSSL_MAINTAINER})
set(CPACK_DEBIAN_PACKAGE_SOURCE akssl)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_LIBRARY_OUTPUT_DIRECTORY})
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# systemd-sysusers and -tmpfiles come with systemd, and where that is not, by themselves.
set(CPACK_DEBIAN_DAEMON_PACKAGE_DEPENDS "akssl-worker (= ${version}), openmpi-bin, passwd,\
 systemd-standalone-sysusers | systemd, systemd-standalone-tmpfiles | systemd")
# orted, which mpirun starts on other hosts, and Slurm's jobs' own mpirun.
set(CPACK_DEBIAN_WORKER_PACKAGE_DEPENDS openmpi-bin)
set(CPACK_DEBIAN_DAEMON_PACKAGE_RECOMMENDS "akssl-client, logrotate")
set(CPACK_DEBIAN_DAEMON_PACKAGE_SUGGESTS "dataset-fashion-mnist")
set(CPACK_DEBIAN_CLIENT_PACKAGE_DEPENDS "${library_package} (= ${version})")
set(CPACK_DEBIAN_CLIENT_PACKAGE_SUGGESTS "gnuplot-nox")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "${library_package} (= ${version})")
set(extra)
foreach(file postinst prerm postrm conffiles)
  configure_file(${debian}/akssld.${file} debian/${file} COPYONLY)
  list(APPEND extra ${CMAKE_CURRENT_BINARY_DIR}/debian/${file})
endforeach()
set(CPACK_DEBIAN_DAEMON_PACKAGE_CONTROL_EXTRA "${extra}")

include(CPack)
