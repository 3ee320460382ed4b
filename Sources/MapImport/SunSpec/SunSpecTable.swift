// Headgate
// SPDX-License-Identifier: Apache-2.0

/// The common models of SunSpec's information model (github.com/sunspec/models, as in pysunspec2 1.3.7).
///
/// A model's number and what it is about, then its points in the order of their registers, after the two of its number
/// and length: name:type, for texts and padding with their length, *scale factor (a point, or the exponent itself), [UCUM
/// unit], {meanings of numbers}. Behind a stroke stand those that are there as often as there is room for them.
enum SunSpecTable {
    static let text = """
        model 1 common Mn:string16 Md:string16 Opt:string8 Vr:string8 SN:string16 DA:uint16 Pad:pad1
        model 101 inverter A:uint16*A_SF[A] AphA:uint16*A_SF[A] AphB:uint16*A_SF[A] AphC:uint16*A_SF[A] A_SF:sunssf
          PPVphAB:uint16*V_SF[V] PPVphBC:uint16*V_SF[V] PPVphCA:uint16*V_SF[V] PhVphA:uint16*V_SF[V]
          PhVphB:uint16*V_SF[V] PhVphC:uint16*V_SF[V] V_SF:sunssf W:int16*W_SF[W] W_SF:sunssf Hz:uint16*Hz_SF[Hz]
          Hz_SF:sunssf VA:int16*VA_SF[V.A] VA_SF:sunssf VAr:int16*VAr_SF[var] VAr_SF:sunssf PF:int16*PF_SF[%]
          PF_SF:sunssf WH:acc32*WH_SF[W.h] WH_SF:sunssf DCA:uint16*DCA_SF[A] DCA_SF:sunssf DCV:uint16*DCV_SF[V]
          DCV_SF:sunssf DCW:int16*DCW_SF[W] DCW_SF:sunssf TmpCab:int16*Tmp_SF[Cel] TmpSnk:int16*Tmp_SF[Cel]
          TmpTrns:int16*Tmp_SF[Cel] TmpOt:int16*Tmp_SF[Cel] Tmp_SF:sunssf
          St:enum16{1=off,2=sleeping,3=starting,4=mppt,5=throttled,6=shutting_down,7=fault,8=standby} StVnd:enum16
          Evt1:bitfield32 Evt2:bitfield32 EvtVnd1:bitfield32 EvtVnd2:bitfield32 EvtVnd3:bitfield32 EvtVnd4:bitfield32
        model 102 inverter A:uint16*A_SF[A] AphA:uint16*A_SF[A] AphB:uint16*A_SF[A] AphC:uint16*A_SF[A] A_SF:sunssf
          PPVphAB:uint16*V_SF[V] PPVphBC:uint16*V_SF[V] PPVphCA:uint16*V_SF[V] PhVphA:uint16*V_SF[V]
          PhVphB:uint16*V_SF[V] PhVphC:uint16*V_SF[V] V_SF:sunssf W:int16*W_SF[W] W_SF:sunssf Hz:uint16*Hz_SF[Hz]
          Hz_SF:sunssf VA:int16*VA_SF[V.A] VA_SF:sunssf VAr:int16*VAr_SF[var] VAr_SF:sunssf PF:int16*PF_SF[%]
          PF_SF:sunssf WH:acc32*WH_SF[W.h] WH_SF:sunssf DCA:uint16*DCA_SF[A] DCA_SF:sunssf DCV:uint16*DCV_SF[V]
          DCV_SF:sunssf DCW:int16*DCW_SF[W] DCW_SF:sunssf TmpCab:int16*Tmp_SF[Cel] TmpSnk:int16*Tmp_SF[Cel]
          TmpTrns:int16*Tmp_SF[Cel] TmpOt:int16*Tmp_SF[Cel] Tmp_SF:sunssf
          St:enum16{1=off,2=sleeping,3=starting,4=mppt,5=throttled,6=shutting_down,7=fault,8=standby} StVnd:enum16
          Evt1:bitfield32 Evt2:bitfield32 EvtVnd1:bitfield32 EvtVnd2:bitfield32 EvtVnd3:bitfield32 EvtVnd4:bitfield32
        model 103 inverter A:uint16*A_SF[A] AphA:uint16*A_SF[A] AphB:uint16*A_SF[A] AphC:uint16*A_SF[A] A_SF:sunssf
          PPVphAB:uint16*V_SF[V] PPVphBC:uint16*V_SF[V] PPVphCA:uint16*V_SF[V] PhVphA:uint16*V_SF[V]
          PhVphB:uint16*V_SF[V] PhVphC:uint16*V_SF[V] V_SF:sunssf W:int16*W_SF[W] W_SF:sunssf Hz:uint16*Hz_SF[Hz]
          Hz_SF:sunssf VA:int16*VA_SF[V.A] VA_SF:sunssf VAr:int16*VAr_SF[var] VAr_SF:sunssf PF:int16*PF_SF[%]
          PF_SF:sunssf WH:acc32*WH_SF[W.h] WH_SF:sunssf DCA:uint16*DCA_SF[A] DCA_SF:sunssf DCV:uint16*DCV_SF[V]
          DCV_SF:sunssf DCW:int16*DCW_SF[W] DCW_SF:sunssf TmpCab:int16*Tmp_SF[Cel] TmpSnk:int16*Tmp_SF[Cel]
          TmpTrns:int16*Tmp_SF[Cel] TmpOt:int16*Tmp_SF[Cel] Tmp_SF:sunssf
          St:enum16{1=off,2=sleeping,3=starting,4=mppt,5=throttled,6=shutting_down,7=fault,8=standby} StVnd:enum16
          Evt1:bitfield32 Evt2:bitfield32 EvtVnd1:bitfield32 EvtVnd2:bitfield32 EvtVnd3:bitfield32 EvtVnd4:bitfield32
        model 111 inverter A:float32[A] AphA:float32[A] AphB:float32[A] AphC:float32[A] PPVphAB:float32[V]
          PPVphBC:float32[V] PPVphCA:float32[V] PhVphA:float32[V] PhVphB:float32[V] PhVphC:float32[V] W:float32[W]
          Hz:float32[Hz] VA:float32[V.A] VAr:float32[var] PF:float32[%] WH:float32[W.h] DCA:float32[A] DCV:float32[V]
          DCW:float32[W] TmpCab:float32[Cel] TmpSnk:float32[Cel] TmpTrns:float32[Cel] TmpOt:float32[Cel]
          St:enum16{1=ggoff,2=ggsleeping,3=ggstarting,4=ggmppt,5=ggthrottled,6=ggshutting_down,7=ggfault,8=ggstandby}
          StVnd:enum16 Evt1:bitfield32 Evt2:bitfield32 EvtVnd1:bitfield32 EvtVnd2:bitfield32 EvtVnd3:bitfield32
          EvtVnd4:bitfield32
        model 112 inverter A:float32[A] AphA:float32[A] AphB:float32[A] AphC:float32[A] PPVphAB:float32[V]
          PPVphBC:float32[V] PPVphCA:float32[V] PhVphA:float32[V] PhVphB:float32[V] PhVphC:float32[V] W:float32[W]
          Hz:float32[Hz] VA:float32[V.A] VAr:float32[var] PF:float32[%] WH:float32[W.h] DCA:float32[A] DCV:float32[V]
          DCW:float32[W] TmpCab:float32[Cel] TmpSnk:float32[Cel] TmpTrns:float32[Cel] TmpOt:float32[Cel]
          St:enum16{1=off,2=sleeping,3=starting,4=mppt,5=throttled,6=shutting_down,7=fault,8=standby} StVnd:enum16
          Evt1:bitfield32 Evt2:bitfield32 EvtVnd1:bitfield32 EvtVnd2:bitfield32 EvtVnd3:bitfield32 EvtVnd4:bitfield32
        model 113 inverter A:float32[A] AphA:float32[A] AphB:float32[A] AphC:float32[A] PPVphAB:float32[V]
          PPVphBC:float32[V] PPVphCA:float32[V] PhVphA:float32[V] PhVphB:float32[V] PhVphC:float32[V] W:float32[W]
          Hz:float32[Hz] VA:float32[V.A] VAr:float32[var] PF:float32[%] WH:float32[W.h] DCA:float32[A] DCV:float32[V]
          DCW:float32[W] TmpCab:float32[Cel] TmpSnk:float32[Cel] TmpTrns:float32[Cel] TmpOt:float32[Cel]
          St:enum16{1=off,2=sleeping,3=starting,4=mppt,5=throttled,6=shutting_down,7=fault,8=standby} StVnd:enum16
          Evt1:bitfield32 Evt2:bitfield32 EvtVnd1:bitfield32 EvtVnd2:bitfield32 EvtVnd3:bitfield32 EvtVnd4:bitfield32
        model 120 nameplate DERTyp:enum16{4=pv,82=pv_stor} WRtg:uint16*WRtg_SF[W] WRtg_SF:sunssf
          VARtg:uint16*VARtg_SF[V.A] VARtg_SF:sunssf VArRtgQ1:int16*VArRtg_SF[var] VArRtgQ2:int16*VArRtg_SF[var]
          VArRtgQ3:int16*VArRtg_SF[var] VArRtgQ4:int16*VArRtg_SF[var] VArRtg_SF:sunssf ARtg:uint16*ARtg_SF[A]
          ARtg_SF:sunssf PFRtgQ1:int16*PFRtg_SF PFRtgQ2:int16*PFRtg_SF PFRtgQ3:int16*PFRtg_SF PFRtgQ4:int16*PFRtg_SF
          PFRtg_SF:sunssf WHRtg:uint16*WHRtg_SF[W.h] WHRtg_SF:sunssf AhrRtg:uint16*AhrRtg_SF[A.h] AhrRtg_SF:sunssf
          MaxChaRte:uint16*MaxChaRte_SF[W] MaxChaRte_SF:sunssf MaxDisChaRte:uint16*MaxDisChaRte_SF[W]
          MaxDisChaRte_SF:sunssf Pad:pad1
        model 122 status PVConn:bitfield16 StorConn:bitfield16 ECPConn:bitfield16 ActWh:acc64[W.h] ActVAh:acc64[V.A.h]
          ActVArhQ1:acc64[var.h] ActVArhQ2:acc64[var.h] ActVArhQ3:acc64[var.h] ActVArhQ4:acc64[var.h]
          VArAval:int16*VArAval_SF[var] VArAval_SF:sunssf WAval:uint16*WAval_SF[W] WAval_SF:sunssf
          StSetLimMsk:bitfield32 StActCtl:bitfield32 TmSrc:string4 Tms:uint32[s] RtSt:bitfield16 Ris:uint16*Ris_SF[Ohm]
          Ris_SF:sunssf
        model 124 storage WChaMax:uint16*WChaMax_SF[W] WChaGra:uint16*WChaDisChaGra_SF
          WDisChaGra:uint16*WChaDisChaGra_SF StorCtl_Mod:bitfield16 VAChaMax:uint16*VAChaMax_SF[V.A]
          MinRsvPct:uint16*MinRsvPct_SF ChaState:uint16*ChaState_SF[%] StorAval:uint16*StorAval_SF[A.h]
          InBatV:uint16*InBatV_SF[V] ChaSt:enum16{1=off,2=empty,3=discharging,4=charging,5=full,6=holding,7=testing}
          OutWRte:int16*InOutWRte_SF InWRte:int16*InOutWRte_SF InOutWRte_WinTms:uint16[s] InOutWRte_RvrtTms:uint16[s]
          InOutWRte_RmpTms:uint16[s] ChaGriSet:enum16{0=pv,1=grid} WChaMax_SF:sunssf WChaDisChaGra_SF:sunssf
          VAChaMax_SF:sunssf MinRsvPct_SF:sunssf ChaState_SF:sunssf StorAval_SF:sunssf InBatV_SF:sunssf
          InOutWRte_SF:sunssf
        model 160 mppt DCA_SF:sunssf DCV_SF:sunssf DCW_SF:sunssf DCWH_SF:sunssf Evt:bitfield32 N:count TmsPer:uint16 /
          module ID:uint16 IDStr:string8 DCA:uint16*DCA_SF[A] DCV:uint16*DCV_SF[V] DCW:uint16*DCW_SF[W]
          DCWH:acc32*DCWH_SF[W.h] Tms:uint32[s] Tmp:int16[Cel]
          DCSt:enum16{1=off,2=sleeping,3=starting,4=mppt,5=throttled,6=shutting_down,7=fault,8=standby,9=test,10=reserved_10}
          DCEvt:bitfield32
        model 201 meter A:int16*A_SF[A] AphA:int16*A_SF[A] AphB:int16*A_SF[A] AphC:int16*A_SF[A] A_SF:sunssf
          PhV:int16*V_SF[V] PhVphA:int16*V_SF[V] PhVphB:int16*V_SF[V] PhVphC:int16*V_SF[V] PPV:int16*V_SF[V]
          PPVphAB:int16*V_SF[V] PPVphBC:int16*V_SF[V] PPVphCA:int16*V_SF[V] V_SF:sunssf Hz:int16*Hz_SF[Hz] Hz_SF:sunssf
          W:int16*W_SF[W] WphA:int16*W_SF[W] WphB:int16*W_SF[W] WphC:int16*W_SF[W] W_SF:sunssf VA:int16*VA_SF[V.A]
          VAphA:int16*VA_SF[V.A] VAphB:int16*VA_SF[V.A] VAphC:int16*VA_SF[V.A] VA_SF:sunssf VAR:int16*VAR_SF[var]
          VARphA:int16*VAR_SF[var] VARphB:int16*VAR_SF[var] VARphC:int16*VAR_SF[var] VAR_SF:sunssf PF:int16*PF_SF[%]
          PFphA:int16*PF_SF[%] PFphB:int16*PF_SF[%] PFphC:int16*PF_SF[%] PF_SF:sunssf TotWhExp:acc32*TotWh_SF[W.h]
          TotWhExpPhA:acc32*TotWh_SF[W.h] TotWhExpPhB:acc32*TotWh_SF[W.h] TotWhExpPhC:acc32*TotWh_SF[W.h]
          TotWhImp:acc32*TotWh_SF[W.h] TotWhImpPhA:acc32*TotWh_SF[W.h] TotWhImpPhB:acc32*TotWh_SF[W.h]
          TotWhImpPhC:acc32*TotWh_SF[W.h] TotWh_SF:sunssf TotVAhExp:acc32*TotVAh_SF[V.A.h]
          TotVAhExpPhA:acc32*TotVAh_SF[V.A.h] TotVAhExpPhB:acc32*TotVAh_SF[V.A.h] TotVAhExpPhC:acc32*TotVAh_SF[V.A.h]
          TotVAhImp:acc32*TotVAh_SF[V.A.h] TotVAhImpPhA:acc32*TotVAh_SF[V.A.h] TotVAhImpPhB:acc32*TotVAh_SF[V.A.h]
          TotVAhImpPhC:acc32*TotVAh_SF[V.A.h] TotVAh_SF:sunssf TotVArhImpQ1:acc32*TotVArh_SF[var.h]
          TotVArhImpQ1PhA:acc32*TotVArh_SF[var.h] TotVArhImpQ1PhB:acc32*TotVArh_SF[var.h]
          TotVArhImpQ1PhC:acc32*TotVArh_SF[var.h] TotVArhImpQ2:acc32*TotVArh_SF[var.h]
          TotVArhImpQ2PhA:acc32*TotVArh_SF[var.h] TotVArhImpQ2PhB:acc32*TotVArh_SF[var.h]
          TotVArhImpQ2PhC:acc32*TotVArh_SF[var.h] TotVArhExpQ3:acc32*TotVArh_SF[var.h]
          TotVArhExpQ3PhA:acc32*TotVArh_SF[var.h] TotVArhExpQ3PhB:acc32*TotVArh_SF[var.h]
          TotVArhExpQ3PhC:acc32*TotVArh_SF[var.h] TotVArhExpQ4:acc32*TotVArh_SF[var.h]
          TotVArhExpQ4PhA:acc32*TotVArh_SF[var.h] TotVArhExpQ4PhB:acc32*TotVArh_SF[var.h]
          TotVArhExpQ4PhC:acc32*TotVArh_SF[var.h] TotVArh_SF:sunssf Evt:bitfield32
        model 202 meter A:int16*A_SF[A] AphA:int16*A_SF[A] AphB:int16*A_SF[A] AphC:int16*A_SF[A] A_SF:sunssf
          PhV:int16*V_SF[V] PhVphA:int16*V_SF[V] PhVphB:int16*V_SF[V] PhVphC:int16*V_SF[V] PPV:int16*V_SF[V]
          PhVphAB:int16*V_SF[V] PhVphBC:int16*V_SF[V] PhVphCA:int16*V_SF[V] V_SF:sunssf Hz:int16*Hz_SF[Hz] Hz_SF:sunssf
          W:int16*W_SF[W] WphA:int16*W_SF[W] WphB:int16*W_SF[W] WphC:int16*W_SF[W] W_SF:sunssf VA:int16*VA_SF[V.A]
          VAphA:int16*VA_SF[V.A] VAphB:int16*VA_SF[V.A] VAphC:int16*VA_SF[V.A] VA_SF:sunssf VAR:int16*VAR_SF[var]
          VARphA:int16*VAR_SF[var] VARphB:int16*VAR_SF[var] VARphC:int16*VAR_SF[var] VAR_SF:sunssf PF:int16*PF_SF[%]
          PFphA:int16*PF_SF[%] PFphB:int16*PF_SF[%] PFphC:int16*PF_SF[%] PF_SF:sunssf TotWhExp:acc32*TotWh_SF[W.h]
          TotWhExpPhA:acc32*TotWh_SF[W.h] TotWhExpPhB:acc32*TotWh_SF[W.h] TotWhExpPhC:acc32*TotWh_SF[W.h]
          TotWhImp:acc32*TotWh_SF[W.h] TotWhImpPhA:acc32*TotWh_SF[W.h] TotWhImpPhB:acc32*TotWh_SF[W.h]
          TotWhImpPhC:acc32*TotWh_SF[W.h] TotWh_SF:sunssf TotVAhExp:acc32*TotVAh_SF[V.A.h]
          TotVAhExpPhA:acc32*TotVAh_SF[V.A.h] TotVAhExpPhB:acc32*TotVAh_SF[V.A.h] TotVAhExpPhC:acc32*TotVAh_SF[V.A.h]
          TotVAhImp:acc32*TotVAh_SF[V.A.h] TotVAhImpPhA:acc32*TotVAh_SF[V.A.h] TotVAhImpPhB:acc32*TotVAh_SF[V.A.h]
          TotVAhImpPhC:acc32*TotVAh_SF[V.A.h] TotVAh_SF:sunssf TotVArhImpQ1:acc32*TotVArh_SF[var.h]
          TotVArhImpQ1PhA:acc32*TotVArh_SF[var.h] TotVArhImpQ1PhB:acc32*TotVArh_SF[var.h]
          TotVArhImpQ1PhC:acc32*TotVArh_SF[var.h] TotVArhImpQ2:acc32*TotVArh_SF[var.h]
          TotVArhImpQ2PhA:acc32*TotVArh_SF[var.h] TotVArhImpQ2PhB:acc32*TotVArh_SF[var.h]
          TotVArhImpQ2PhC:acc32*TotVArh_SF[var.h] TotVArhExpQ3:acc32*TotVArh_SF[var.h]
          TotVArhExpQ3PhA:acc32*TotVArh_SF[var.h] TotVArhExpQ3PhB:acc32*TotVArh_SF[var.h]
          TotVArhExpQ3PhC:acc32*TotVArh_SF[var.h] TotVArhExpQ4:acc32*TotVArh_SF[var.h]
          TotVArhExpQ4PhA:acc32*TotVArh_SF[var.h] TotVArhExpQ4PhB:acc32*TotVArh_SF[var.h]
          TotVArhExpQ4PhC:acc32*TotVArh_SF[var.h] TotVArh_SF:sunssf Evt:bitfield32
        model 203 meter A:int16*A_SF[A] AphA:int16*A_SF[A] AphB:int16*A_SF[A] AphC:int16*A_SF[A] A_SF:sunssf
          PhV:int16*V_SF[V] PhVphA:int16*V_SF[V] PhVphB:int16*V_SF[V] PhVphC:int16*V_SF[V] PPV:int16*V_SF[V]
          PhVphAB:int16*V_SF[V] PhVphBC:int16*V_SF[V] PhVphCA:int16*V_SF[V] V_SF:sunssf Hz:int16*Hz_SF[Hz] Hz_SF:sunssf
          W:int16*W_SF[W] WphA:int16*W_SF[W] WphB:int16*W_SF[W] WphC:int16*W_SF[W] W_SF:sunssf VA:int16*VA_SF[V.A]
          VAphA:int16*VA_SF[V.A] VAphB:int16*VA_SF[V.A] VAphC:int16*VA_SF[V.A] VA_SF:sunssf VAR:int16*VAR_SF[var]
          VARphA:int16*VAR_SF[var] VARphB:int16*VAR_SF[var] VARphC:int16*VAR_SF[var] VAR_SF:sunssf PF:int16*PF_SF[%]
          PFphA:int16*PF_SF[%] PFphB:int16*PF_SF[%] PFphC:int16*PF_SF[%] PF_SF:sunssf TotWhExp:acc32*TotWh_SF[W.h]
          TotWhExpPhA:acc32*TotWh_SF[W.h] TotWhExpPhB:acc32*TotWh_SF[W.h] TotWhExpPhC:acc32*TotWh_SF[W.h]
          TotWhImp:acc32*TotWh_SF[W.h] TotWhImpPhA:acc32*TotWh_SF[W.h] TotWhImpPhB:acc32*TotWh_SF[W.h]
          TotWhImpPhC:acc32*TotWh_SF[W.h] TotWh_SF:sunssf TotVAhExp:acc32*TotVAh_SF[V.A.h]
          TotVAhExpPhA:acc32*TotVAh_SF[V.A.h] TotVAhExpPhB:acc32*TotVAh_SF[V.A.h] TotVAhExpPhC:acc32*TotVAh_SF[V.A.h]
          TotVAhImp:acc32*TotVAh_SF[V.A.h] TotVAhImpPhA:acc32*TotVAh_SF[V.A.h] TotVAhImpPhB:acc32*TotVAh_SF[V.A.h]
          TotVAhImpPhC:acc32*TotVAh_SF[V.A.h] TotVAh_SF:sunssf TotVArhImpQ1:acc32*TotVArh_SF[var.h]
          TotVArhImpQ1PhA:acc32*TotVArh_SF[var.h] TotVArhImpQ1PhB:acc32*TotVArh_SF[var.h]
          TotVArhImpQ1PhC:acc32*TotVArh_SF[var.h] TotVArhImpQ2:acc32*TotVArh_SF[var.h]
          TotVArhImpQ2PhA:acc32*TotVArh_SF[var.h] TotVArhImpQ2PhB:acc32*TotVArh_SF[var.h]
          TotVArhImpQ2PhC:acc32*TotVArh_SF[var.h] TotVArhExpQ3:acc32*TotVArh_SF[var.h]
          TotVArhExpQ3PhA:acc32*TotVArh_SF[var.h] TotVArhExpQ3PhB:acc32*TotVArh_SF[var.h]
          TotVArhExpQ3PhC:acc32*TotVArh_SF[var.h] TotVArhExpQ4:acc32*TotVArh_SF[var.h]
          TotVArhExpQ4PhA:acc32*TotVArh_SF[var.h] TotVArhExpQ4PhB:acc32*TotVArh_SF[var.h]
          TotVArhExpQ4PhC:acc32*TotVArh_SF[var.h] TotVArh_SF:sunssf Evt:bitfield32
        model 204 meter A:int16*A_SF[A] AphA:int16*A_SF[A] AphB:int16*A_SF[A] AphC:int16*A_SF[A] A_SF:sunssf
          PhV:int16*V_SF[V] PhVphA:int16*V_SF[V] PhVphB:int16*V_SF[V] PhVphC:int16*V_SF[V] PPV:int16*V_SF[V]
          PhVphAB:int16*V_SF[V] PhVphBC:int16*V_SF[V] PhVphCA:int16*V_SF[V] V_SF:sunssf Hz:int16*Hz_SF[Hz] Hz_SF:sunssf
          W:int16*W_SF[W] WphA:int16*W_SF[W] WphB:int16*W_SF[W] WphC:int16*W_SF[W] W_SF:sunssf VA:int16*VA_SF[V.A]
          VAphA:int16*VA_SF[V.A] VAphB:int16*VA_SF[V.A] VAphC:int16*VA_SF[V.A] VA_SF:sunssf VAR:int16*VAR_SF[var]
          VARphA:int16*VAR_SF[var] VARphB:int16*VAR_SF[var] VARphC:int16*VAR_SF[var] VAR_SF:sunssf PF:int16*PF_SF[%]
          PFphA:int16*PF_SF[%] PFphB:int16*PF_SF[%] PFphC:int16*PF_SF[%] PF_SF:sunssf TotWhExp:acc32*TotWh_SF[W.h]
          TotWhExpPhA:acc32*TotWh_SF[W.h] TotWhExpPhB:acc32*TotWh_SF[W.h] TotWhExpPhC:acc32*TotWh_SF[W.h]
          TotWhImp:acc32*TotWh_SF[W.h] TotWhImpPhA:acc32*TotWh_SF[W.h] TotWhImpPhB:acc32*TotWh_SF[W.h]
          TotWhImpPhC:acc32*TotWh_SF[W.h] TotWh_SF:sunssf TotVAhExp:acc32*TotVAh_SF[V.A.h]
          TotVAhExpPhA:acc32*TotVAh_SF[V.A.h] TotVAhExpPhB:acc32*TotVAh_SF[V.A.h] TotVAhExpPhC:acc32*TotVAh_SF[V.A.h]
          TotVAhImp:acc32*TotVAh_SF[V.A.h] TotVAhImpPhA:acc32*TotVAh_SF[V.A.h] TotVAhImpPhB:acc32*TotVAh_SF[V.A.h]
          TotVAhImpPhC:acc32*TotVAh_SF[V.A.h] TotVAh_SF:sunssf TotVArhImpQ1:acc32*TotVArh_SF[var.h]
          TotVArhImpQ1PhA:acc32*TotVArh_SF[var.h] TotVArhImpQ1PhB:acc32*TotVArh_SF[var.h]
          TotVArhImpQ1PhC:acc32*TotVArh_SF[var.h] TotVArhImpQ2:acc32*TotVArh_SF[var.h]
          TotVArhImpQ2PhA:acc32*TotVArh_SF[var.h] TotVArhImpQ2PhB:acc32*TotVArh_SF[var.h]
          TotVArhImpQ2PhC:acc32*TotVArh_SF[var.h] TotVArhExpQ3:acc32*TotVArh_SF[var.h]
          TotVArhExpQ3PhA:acc32*TotVArh_SF[var.h] TotVArhExpQ3PhB:acc32*TotVArh_SF[var.h]
          TotVArhExpQ3PhC:acc32*TotVArh_SF[var.h] TotVArhExpQ4:acc32*TotVArh_SF[var.h]
          TotVArhExpQ4PhA:acc32*TotVArh_SF[var.h] TotVArhExpQ4PhB:acc32*TotVArh_SF[var.h]
          TotVArhExpQ4PhC:acc32*TotVArh_SF[var.h] TotVArh_SF:sunssf Evt:bitfield32
        model 211 meter A:float32[A] AphA:float32[A] AphB:float32[A] AphC:float32[A] PhV:float32[V] PhVphA:float32[V]
          PhVphB:float32[V] PhVphC:float32[V] PPV:float32[V] PPVphAB:float32[V] PPVphBC:float32[V] PPVphCA:float32[V]
          Hz:float32[Hz] W:float32[W] WphA:float32[W] WphB:float32[W] WphC:float32[W] VA:float32[V.A] VAphA:float32[V.A]
          VAphB:float32[V.A] VAphC:float32[V.A] VAR:float32[var] VARphA:float32[var] VARphB:float32[var]
          VARphC:float32[var] PF:float32 PFphA:float32 PFphB:float32 PFphC:float32 TotWhExp:float32[W.h]
          TotWhExpPhA:float32[W.h] TotWhExpPhB:float32[W.h] TotWhExpPhC:float32[W.h] TotWhImp:float32[W.h]
          TotWhImpPhA:float32[W.h] TotWhImpPhB:float32[W.h] TotWhImpPhC:float32[W.h] TotVAhExp:float32[V.A.h]
          TotVAhExpPhA:float32[V.A.h] TotVAhExpPhB:float32[V.A.h] TotVAhExpPhC:float32[V.A.h] TotVAhImp:float32[V.A.h]
          TotVAhImpPhA:float32[V.A.h] TotVAhImpPhB:float32[V.A.h] TotVAhImpPhC:float32[V.A.h]
          TotVArhImpQ1:float32[var.h] TotVArhImpQ1phA:float32[var.h] TotVArhImpQ1phB:float32[var.h]
          TotVArhImpQ1phC:float32[var.h] TotVArhImpQ2:float32[var.h] TotVArhImpQ2phA:float32[var.h]
          TotVArhImpQ2phB:float32[var.h] TotVArhImpQ2phC:float32[var.h] TotVArhExpQ3:float32[var.h]
          TotVArhExpQ3phA:float32[var.h] TotVArhExpQ3phB:float32[var.h] TotVArhExpQ3phC:float32[var.h]
          TotVArhExpQ4:float32[var.h] TotVArhExpQ4phA:float32[var.h] TotVArhExpQ4phB:float32[var.h]
          TotVArhExpQ4phC:float32[var.h] Evt:bitfield32
        model 212 meter A:float32[A] AphA:float32[A] AphB:float32[A] AphC:float32[A] PhV:float32[V] PhVphA:float32[V]
          PhVphB:float32[V] PhVphC:float32[V] PPV:float32[V] PPVphAB:float32[V] PPVphBC:float32[V] PPVphCA:float32[V]
          Hz:float32[Hz] W:float32[W] WphA:float32[W] WphB:float32[W] WphC:float32[W] VA:float32[V.A] VAphA:float32[V.A]
          VAphB:float32[V.A] VAphC:float32[V.A] VAR:float32[var] VARphA:float32[var] VARphB:float32[var]
          VARphC:float32[var] PF:float32 PFphA:float32 PFphB:float32 PFphC:float32 TotWhExp:float32[W.h]
          TotWhExpPhA:float32[W.h] TotWhExpPhB:float32[W.h] TotWhExpPhC:float32[W.h] TotWhImp:float32[W.h]
          TotWhImpPhA:float32[W.h] TotWhImpPhB:float32[W.h] TotWhImpPhC:float32[W.h] TotVAhExp:float32[V.A.h]
          TotVAhExpPhA:float32[V.A.h] TotVAhExpPhB:float32[V.A.h] TotVAhExpPhC:float32[V.A.h] TotVAhImp:float32[V.A.h]
          TotVAhImpPhA:float32[V.A.h] TotVAhImpPhB:float32[V.A.h] TotVAhImpPhC:float32[V.A.h]
          TotVArhImpQ1:float32[var.h] TotVArhImpQ1phA:float32[var.h] TotVArhImpQ1phB:float32[var.h]
          TotVArhImpQ1phC:float32[var.h] TotVArhImpQ2:float32[var.h] TotVArhImpQ2phA:float32[var.h]
          TotVArhImpQ2phB:float32[var.h] TotVArhImpQ2phC:float32[var.h] TotVArhExpQ3:float32[var.h]
          TotVArhExpQ3phA:float32[var.h] TotVArhExpQ3phB:float32[var.h] TotVArhExpQ3phC:float32[var.h]
          TotVArhExpQ4:float32[var.h] TotVArhExpQ4phA:float32[var.h] TotVArhExpQ4phB:float32[var.h]
          TotVArhExpQ4phC:float32[var.h] Evt:bitfield32
        model 213 meter A:float32[A] AphA:float32[A] AphB:float32[A] AphC:float32[A] PhV:float32[V] PhVphA:float32[V]
          PhVphB:float32[V] PhVphC:float32[V] PPV:float32[V] PPVphAB:float32[V] PPVphBC:float32[V] PPVphCA:float32[V]
          Hz:float32[Hz] W:float32[W] WphA:float32[W] WphB:float32[W] WphC:float32[W] VA:float32[V.A] VAphA:float32[V.A]
          VAphB:float32[V.A] VAphC:float32[V.A] VAR:float32[var] VARphA:float32[var] VARphB:float32[var]
          VARphC:float32[var] PF:float32 PFphA:float32 PFphB:float32 PFphC:float32 TotWhExp:float32[W.h]
          TotWhExpPhA:float32[W.h] TotWhExpPhB:float32[W.h] TotWhExpPhC:float32[W.h] TotWhImp:float32[W.h]
          TotWhImpPhA:float32[W.h] TotWhImpPhB:float32[W.h] TotWhImpPhC:float32[W.h] TotVAhExp:float32[V.A.h]
          TotVAhExpPhA:float32[V.A.h] TotVAhExpPhB:float32[V.A.h] TotVAhExpPhC:float32[V.A.h] TotVAhImp:float32[V.A.h]
          TotVAhImpPhA:float32[V.A.h] TotVAhImpPhB:float32[V.A.h] TotVAhImpPhC:float32[V.A.h]
          TotVArhImpQ1:float32[var.h] TotVArhImpQ1phA:float32[var.h] TotVArhImpQ1phB:float32[var.h]
          TotVArhImpQ1phC:float32[var.h] TotVArhImpQ2:float32[var.h] TotVArhImpQ2phA:float32[var.h]
          TotVArhImpQ2phB:float32[var.h] TotVArhImpQ2phC:float32[var.h] TotVArhExpQ3:float32[var.h]
          TotVArhExpQ3phA:float32[var.h] TotVArhExpQ3phB:float32[var.h] TotVArhExpQ3phC:float32[var.h]
          TotVArhExpQ4:float32[var.h] TotVArhExpQ4phA:float32[var.h] TotVArhExpQ4phB:float32[var.h]
          TotVArhExpQ4phC:float32[var.h] Evt:bitfield32
        model 214 meter A:float32[A] AphA:float32[A] AphB:float32[A] AphC:float32[A] PhV:float32[V] PhVphA:float32[V]
          PhVphB:float32[V] PhVphC:float32[V] PPV:float32[V] PPVphAB:float32[V] PPVphBC:float32[V] PPVphCA:float32[V]
          Hz:float32[Hz] W:float32[W] WphA:float32[W] WphB:float32[W] WphC:float32[W] VA:float32[V.A] VAphA:float32[V.A]
          VAphB:float32[V.A] VAphC:float32[V.A] VAR:float32[var] VARphA:float32[var] VARphB:float32[var]
          VARphC:float32[var] PF:float32 PFphA:float32 PFphB:float32 PFphC:float32 TotWhExp:float32[W.h]
          TotWhExpPhA:float32[W.h] TotWhExpPhB:float32[W.h] TotWhExpPhC:float32[W.h] TotWhImp:float32[W.h]
          TotWhImpPhA:float32[W.h] TotWhImpPhB:float32[W.h] TotWhImpPhC:float32[W.h] TotVAhExp:float32[V.A.h]
          TotVAhExpPhA:float32[V.A.h] TotVAhExpPhB:float32[V.A.h] TotVAhExpPhC:float32[V.A.h] TotVAhImp:float32[V.A.h]
          TotVAhImpPhA:float32[V.A.h] TotVAhImpPhB:float32[V.A.h] TotVAhImpPhC:float32[V.A.h]
          TotVArhImpQ1:float32[var.h] TotVArhImpQ1phA:float32[var.h] TotVArhImpQ1phB:float32[var.h]
          TotVArhImpQ1phC:float32[var.h] TotVArhImpQ2:float32[var.h] TotVArhImpQ2phA:float32[var.h]
          TotVArhImpQ2phB:float32[var.h] TotVArhImpQ2phC:float32[var.h] TotVArhExpQ3:float32[var.h]
          TotVArhExpQ3phA:float32[var.h] TotVArhExpQ3phB:float32[var.h] TotVArhExpQ3phC:float32[var.h]
          TotVArhExpQ4:float32[var.h] TotVArhExpQ4phA:float32[var.h] TotVArhExpQ4phB:float32[var.h]
          TotVArhExpQ4phC:float32[var.h] Evt:bitfield32
        model 302 weather  / repeating GHI:uint16[W/m2] POAI:uint16[W/m2] DFI:uint16[W/m2] DNI:uint16[W/m2]
          OTI:uint16[W/m2]
        model 303 weather  / temp TmpBOM:int16*-1[Cel]
        model 305 weather Tm:string6 Date:string4 Loc:string20 Lat:int32*-7[deg] Long:int32*-7[deg] Alt:int32[m]
        model 306 weather GHI:uint16[W/m2] A:uint16[W/m2] V:uint16[W/m2] Tmp:uint16[W/m2]
        model 307 weather TmpAmb:int16*-1[Cel] RH:int16[%] Pres:int16[hPa] WndSpd:int16[m/s] WndDir:int16[deg]
          Rain:int16[mm] Snw:int16[mm] PPT:int16 ElecFld:int16 SurWet:int16 SoilWet:int16[%]
        model 308 weather GHI:uint16[W/m2] TmpBOM:int16*-1[Cel] TmpAmb:int16*-1[Cel] WndSpd:uint16[m/s]
        model 501 module
          Stat:enum16{1=off,2=sleeping,3=starting,4=mppt,5=throttled,6=shutting_down,7=fault,8=standby,9=test,10=other}
          StatVend:enum16 Evt:bitfield32 EvtVend:bitfield32 Ctl:enum16 CtlVend:enum32 CtlVal:int32 Tms:uint32[s]
          OutA:float32[A] OutV:float32[V] OutWh:float32[W.h] OutW:float32[W] Tmp:float32[Cel] InA:float32[A]
          InV:float32[V] InWh:float32[W.h] InW:float32[W]
        model 502 module A_SF:sunssf V_SF:sunssf W_SF:sunssf Wh_SF:sunssf
          Stat:enum16{1=off,2=sleeping,3=starting,4=mppt,5=throttled,6=shutting_down,7=fault,8=standby,9=test,10=other}
          StatVend:enum16 Evt:bitfield32 EvtVend:bitfield32 Ctl:enum16 CtlVend:enum32 CtlVal:int32 Tms:uint32[s]
          OutA:int16*A_SF[A] OutV:int16*V_SF[V] OutWh:acc32*Wh_SF[W.h] OutPw:int16*W_SF[W] Tmp:int16[Cel]
          InA:int16*A_SF[A] InV:int16*V_SF[V] InWh:acc32*Wh_SF[W.h] InW:int16*W_SF[W]
        model 701 ac ACType:enum16{0=single_phase,1=split_phase,2=three_phase} St:enum16{0=off,1=on}
          InvSt:enum16{0=off,1=sleeping,2=starting,3=running,4=throttled,5=shutting_down,6=fault,7=standby}
          ConnSt:enum16{0=disconnected,1=connected} Alrm:bitfield32 DERMode:bitfield32 W:int16*W_SF[W]
          VA:int16*VA_SF[V.A] Var:int16*Var_SF[var] PF:int16*PF_SF A:int16*A_SF[A] LLV:uint16*V_SF[V] LNV:uint16*V_SF[V]
          Hz:uint32*Hz_SF[Hz] TotWhInj:uint64*TotWh_SF[W.h] TotWhAbs:uint64*TotWh_SF[W.h]
          TotVarhInj:uint64*TotVarh_SF[var.h] TotVarhAbs:uint64*TotVarh_SF[var.h] TmpAmb:int16*Tmp_SF[Cel]
          TmpCab:int16*Tmp_SF[Cel] TmpSnk:int16*Tmp_SF[Cel] TmpTrns:int16*Tmp_SF[Cel] TmpSw:int16*Tmp_SF[Cel]
          TmpOt:int16*Tmp_SF[Cel] WL1:int16*W_SF[W] VAL1:int16*VA_SF[V.A] VarL1:int16*Var_SF[var] PFL1:int16*PF_SF
          AL1:int16*A_SF[A] VL1L2:uint16*V_SF[V] VL1:uint16*V_SF[V] TotWhInjL1:uint64*TotWh_SF[W.h]
          TotWhAbsL1:uint64*TotWh_SF[W.h] TotVarhInjL1:uint64*TotVarh_SF[var.h] TotVarhAbsL1:uint64*TotVarh_SF[var.h]
          WL2:int16*W_SF[W] VAL2:int16*VA_SF[V.A] VarL2:int16*Var_SF[var] PFL2:int16*PF_SF AL2:int16*A_SF[A]
          VL2L3:uint16*V_SF[V] VL2:uint16*V_SF[V] TotWhInjL2:uint64*TotWh_SF[W.h] TotWhAbsL2:uint64*TotWh_SF[W.h]
          TotVarhInjL2:uint64*TotVarh_SF[var.h] TotVarhAbsL2:uint64*TotVarh_SF[var.h] WL3:int16*W_SF[W]
          VAL3:int16*VA_SF[V.A] VarL3:int16*Var_SF[var] PFL3:int16*PF_SF AL3:int16*A_SF[A] VL3L1:uint16*V_SF[V]
          VL3:uint16*V_SF[V] TotWhInjL3:uint64*TotWh_SF[W.h] TotWhAbsL3:uint64*TotWh_SF[W.h]
          TotVarhInjL3:uint64*TotVarh_SF[var.h] TotVarhAbsL3:uint64*TotVarh_SF[var.h] ThrotPct:uint16[%]
          ThrotSrc:bitfield32 A_SF:sunssf V_SF:sunssf Hz_SF:sunssf W_SF:sunssf PF_SF:sunssf VA_SF:sunssf Var_SF:sunssf
          TotWh_SF:sunssf TotVarh_SF:sunssf Tmp_SF:sunssf MnAlrmInfo:string32
        model 713 storage WHRtg:uint16*WH_SF[W.h] WHAvail:uint16*WH_SF[W.h] SoC:uint16*Pct_SF[%] SoH:uint16*Pct_SF[%]
          Sta:enum16{0=ok,1=warning,2=error} WH_SF:sunssf Pct_SF:sunssf
        model 714 dc PrtAlrms:bitfield32 NPrt:uint16 DCA:int16*DCA_SF[A] DCW:int16*DCW_SF[W] DCWhInj:uint64*DCWH_SF[W.h]
          DCWhAbs:uint64*DCWH_SF[W.h] DCA_SF:sunssf DCV_SF:sunssf DCW_SF:sunssf DCWH_SF:sunssf Tmp_SF:sunssf / Prt
          PrtTyp:enum16{0=pv,1=ess,2=ev,3=inj,4=abs,5=bidir,6=dc_dc} ID:uint16 IDStr:string8 DCA:int16*DCA_SF[A]
          DCV:uint16*DCV_SF[V] DCW:int16*DCW_SF[W] DCWhInj:uint64*DCWH_SF[W.h] DCWhAbs:uint64*DCWH_SF[W.h]
          Tmp:int16*Tmp_SF[Cel] DCSta:enum16{0=off,1=on,2=warning,3=error} DCAlrm:bitfield32
        model 802 battery AHRtg:uint16*AHRtg_SF[A.h] WHRtg:uint16*WHRtg_SF[W.h] WChaRteMax:uint16*WChaDisChaMax_SF[W]
          WDisChaRteMax:uint16*WChaDisChaMax_SF[W] DisChaRte:uint16*DisChaRte_SF[%] SoCMax:uint16*SoC_SF[%]
          SoCMin:uint16*SoC_SF[%] SocRsvMax:uint16*SoC_SF[%] SoCRsvMin:uint16*SoC_SF[%] SoC:uint16*SoC_SF[%]
          DoD:uint16*DoD_SF[%] SoH:uint16*SoH_SF[%] NCyc:uint32
          ChaSt:enum16{1=off,2=empty,3=discharging,4=charging,5=full,6=holding,7=testing}
          LocRemCtl:enum16{0=remote,1=local} Hb:uint16 CtrlHb:uint16 AlmRst:uint16 Typ:enum16{0=not_applicable_unknown,1=lead_acid,2=nickel_metal_hydrate,3=nickel_cadmium,4=lithium_ion,5=carbon_zinc,6=zinc_chloride,7=alkaline,8=rechargeable_alkaline,9=sodium_sulfur,10=flow,99=other}
          State:enum16{1=disconnected,2=initializing,3=connected,4=standby,5=soc_protection,6=suspending,99=fault}
          StateVnd:enum16 WarrDt:uint32 Evt1:bitfield32 Evt2:bitfield32 EvtVnd1:bitfield32 EvtVnd2:bitfield32
          V:uint16*V_SF[V] VMax:uint16*V_SF[V] VMin:uint16*V_SF[V] CellVMax:uint16*CellV_SF[V] CellVMaxStr:uint16
          CellVMaxMod:uint16 CellVMin:uint16*CellV_SF[V] CellVMinStr:uint16 CellVMinMod:uint16
          CellVAvg:uint16*CellV_SF[V] A:int16*A_SF[A] AChaMax:uint16*AMax_SF[A] ADisChaMax:uint16*AMax_SF[A]
          W:int16*W_SF[W] ReqInvState:enum16{0=no_request,1=start,2=stop} ReqW:int16*W_SF[W]
          SetOp:enum16{1=connect,2=disconnect}
          SetInvState:enum16{1=inverter_stopped,2=inverter_standby,3=inverter_started} AHRtg_SF:sunssf WHRtg_SF:sunssf
          WChaDisChaMax_SF:sunssf DisChaRte_SF:sunssf SoC_SF:sunssf DoD_SF:sunssf SoH_SF:sunssf V_SF:sunssf
          CellV_SF:sunssf A_SF:sunssf AMax_SF:sunssf W_SF:sunssf
        """
}
