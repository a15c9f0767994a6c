; The installer knows the window as the main program, but people and links start the companion.

!macro LinkScheme SCHEME
  WriteRegStr SHCTX "Software\Classes\${SCHEME}" "" "URL:${PRODUCTNAME}"
  WriteRegStr SHCTX "Software\Classes\${SCHEME}" "URL Protocol" ""
  WriteRegStr SHCTX "Software\Classes\${SCHEME}\DefaultIcon" "" "$INSTDIR\${MAINBINARYNAME}.exe,0"
  WriteRegStr SHCTX "Software\Classes\${SCHEME}\shell\open\command" "" '"$INSTDIR\claw-companion.exe" "%1"'
!macroend

!macro NSIS_HOOK_POSTINSTALL
  !insertmacro LinkScheme "oc-pair"
  !insertmacro LinkScheme "claw-companion"
  CreateShortcut "$SMPROGRAMS\${PRODUCTNAME}.lnk" "$INSTDIR\claw-companion.exe" "" "$INSTDIR\${MAINBINARYNAME}.exe"
!macroend

!macro NSIS_HOOK_POSTUNINSTALL
  DeleteRegKey SHCTX "Software\Classes\oc-pair"
  DeleteRegKey SHCTX "Software\Classes\claw-companion"
  Delete "$SMPROGRAMS\${PRODUCTNAME}.lnk"
!macroend
