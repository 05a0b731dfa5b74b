# proto/embed.cmake -- cmake -DFROM=FILE -DTO=FILE.c -DNAME=NAME -P embed.cmake: the bytes of a file as a C array.
file(READ ${FROM} bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "((0x..,){20})" "\\1\n" bytes "${bytes}")
file(WRITE ${TO} "extern const unsigned char ak_${NAME}[];\nextern const unsigned long ak_${NAME}_size;\n\nconst unsigned char ak_${NAME}[] = {\n${bytes}\n};\nconst unsigned long ak_${NAME}_size = sizeof ak_${NAME};\n")
